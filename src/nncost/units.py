"""Numbers as people read them; exact at any size, without a float in between."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic, tidy

MAX_PRINTED_DIGITS = 30
"""Longer integers are shortened on a screen; JSON and CSV always hold every digit."""

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_THOUSAND = 1_000


def exact(amount: Dim) -> str:
    """``12,960``; a formula for a symbolic amount; the leading digits and the length of a giant."""
    if is_symbolic(amount):
        return str(tidy(amount))
    digits = str(abs(amount))
    if len(digits) <= MAX_PRINTED_DIGITS:
        return f"{amount:,}"
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:4]}e{len(digits) - 1} ({len(digits):,} digits)"


def compact(amount: Dim) -> str:
    """At most six characters where possible: ``12,960``, ``829.4k``, ``4.089G``; cut, not rounded up."""
    if is_symbolic(amount):
        return str(tidy(amount))
    number = int(amount)
    if abs(number) < 100 * _THOUSAND:
        return f"{number:,}"
    power = (len(str(abs(number))) - 1) // 3
    if power >= len(_PREFIXES):
        digits = str(number)
        return f"{digits[0]}.{digits[1]}e{len(digits) - 1}"
    whole, rest = divmod(number, _THOUSAND**power)
    decimals = 4 - len(str(whole))
    fraction = str(rest * 10**decimals // _THOUSAND**power).zfill(decimals)
    return f"{whole}.{fraction}{_PREFIXES[power]}"
