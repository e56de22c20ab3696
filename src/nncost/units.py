"""Numbers as people read them: exact at any size, with thousands separators, or rounded to fit a column."""

from __future__ import annotations

import re

from nncost.dims import Dim, is_symbolic, tidy
from nncost.errors import Instead, OptionError

_CHUNK_DIGITS = 3_000
"""Python converts at most 4,300 digits at once; a multiple of three keeps the separators aligned."""
_CHUNK = 10**_CHUNK_DIGITS
_SHOWN_DIGITS = 36
_KEPT_DIGITS = 9
_LONG_NUMBER = re.compile(r"\d{1,3}(?:,\d{3}){12,}")


def grouped(number: int) -> str:
    """``13002`` as ``13,002``; negative numbers with a minus sign."""
    if number < 0:
        return f"−{grouped(-number)}"
    chunks: list[str] = []
    while number >= _CHUNK:
        number, chunk = divmod(number, _CHUNK)
        padded = str(chunk).zfill(_CHUNK_DIGITS)
        chunks.append(",".join(padded[i : i + 3] for i in range(0, _CHUNK_DIGITS, 3)))
    return ",".join([f"{number:,}", *reversed(chunks)])


def abbreviated(text: str) -> str:
    """The text with the middle of every number of more than 36 digits left out."""
    return _LONG_NUMBER.sub(_shortened, text)


def _shortened(match: re.Match[str]) -> str:
    number = match[0]
    digits = number.count(",") * 3 + len(number.split(",", 1)[0])
    if digits <= _SHOWN_DIGITS:
        return number
    kept = _KEPT_DIGITS + _KEPT_DIGITS // 3 - 1
    head = number[: len(number.split(",", 1)[0]) + kept - 3]
    return f"{head},…,{number[-kept:]} ({digits:,} digits)"


def ratio(numerator: int, denominator: int) -> str:
    """A quotient rounded to two decimals, without floating-point limits: ``1.04``."""
    hundredths = (200 * numerator + denominator) // (2 * denominator)
    return f"{grouped(hundredths // 100)}.{hundredths % 100:02d}"


def exact(amount: Dim) -> str:
    """``12,960``; a formula for a symbolic amount; a giant without its middle, which JSON and CSV hold."""
    if not is_symbolic(amount):
        return abbreviated(grouped(amount))
    from nncost.notation.written import tidied

    return tidied(amount).text


_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_THOUSAND = 1_000
_SHOWN_WHOLE = 100 * _THOUSAND


def compact(amount: Dim) -> str:
    """At most six characters where possible: ``12,960``, ``829.4k``, ``4.090G``; rounded to four digits."""
    if is_symbolic(amount):
        return str(tidy(amount))
    if amount < 0:
        return f"−{compact(-amount)}"
    if amount < _SHOWN_WHOLE:
        return grouped(amount)
    digits, power = _rounded(amount, _COMPACT_DIGITS)
    if power // 3 < len(_PREFIXES):
        whole = power % 3 + 1
        return f"{digits[:whole]}.{digits[whole:]}{_PREFIXES[power // 3]}"
    digits, power = _rounded(amount, 2)
    return f"{digits[0]}.{digits[1]}e{power}"


def _rounded(amount: int, kept: int) -> tuple[str, int]:
    """The first ``kept`` digits of a number, rounded, and the power of ten of the first of them."""
    power = max(0, int(amount.bit_length() * _LOG10_OF_2) - 1)
    while amount >= 10 ** (power + 1):
        power += 1
    unit = 10 ** (power + 1 - kept)
    digits = str((2 * amount + unit) // (2 * unit))
    return (digits, power) if len(digits) == kept else (digits[:kept], power + 1)


_COMPACT_DIGITS = 4
_LOG10_OF_2 = 0.30102
"""A little less than log₁₀ 2, so that a number of so many bits has at least as many digits."""
_IRREGULAR = {"axis": "axes", "epoch": "epochs", "index": "indices"}


def noun(amount: object, singular: str, plural: str = "") -> str:
    """The word for so many of a thing: ``step`` for one, otherwise ``steps``, ``batches``, ``queries``."""
    if amount == 1:
        return singular
    if plural or singular in _IRREGULAR:
        return plural or _IRREGULAR[singular]
    if singular.endswith(("s", "x", "ch", "sh")):
        return f"{singular}es"
    if singular.endswith("y") and singular[-2] not in "aeiou":
        return f"{singular[:-1]}ies"
    return f"{singular}s"


def counted(amount: Dim, singular: str, plural: str = "") -> str:
    """So many of a thing: ``1 step``, ``12,960 weights``, ``B*h weights``."""
    return f"{exact(amount)} {noun(amount, singular, plural)}"


_NAME_LENGTH = 60


def one_line(name: str) -> str:
    """A source's name on one line, its first 60 characters."""
    text = " ".join(name.split())
    return text if len(text) <= _NAME_LENGTH else f"{text[:_NAME_LENGTH]}…"


SECOND_UNITS = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_YEAR = 365 * _DAY
_YEARS = ((1.0, "years"), (1e3, "thousand years"), (1e6, "million years"), (1e9, "billion years"))
_LARGE_UNITS = (
    (_HOUR, _MINUTE, "min", 1, "s"),
    (2 * _DAY, _HOUR, "h", _MINUTE, "min"),
    (_YEAR, _DAY, "d", _HOUR, "h"),
)
"""Below so many seconds: a unit and a smaller one, each with its name."""


def seconds_text(seconds: float) -> str:
    """Three digits and a unit, ``45.2 µs``; from two minutes to a year two units, ``12 min 30 s``."""
    if seconds < 0:
        return f"−{seconds_text(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 2 * _MINUTE:
        return scaled(seconds, SECOND_UNITS)
    if seconds >= _YEAR:
        return scaled(seconds / _YEAR, _YEARS)
    unit, name, smaller, smaller_name = next(row[1:] for row in _LARGE_UNITS if seconds < row[0])
    whole, rest = divmod(round(seconds / smaller), unit // smaller)
    return f"{compact(whole)} {name} {rest} {smaller_name}" if rest else f"{compact(whole)} {name}"


BYTE_UNITS = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB"))
_RATE_UNITS = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"))


def bytes_text(amount: float) -> str:
    """Three digits and a decimal unit, ``80.0 GB``; of any size."""
    if isinstance(amount, int) and amount.bit_length() > _FLOAT_BITS:
        return f"{compact(amount)} {BYTE_UNITS[0][1]}"
    if isinstance(amount, int) and 0 <= amount < _THOUSAND:
        return f"{amount} {BYTE_UNITS[0][1]}"
    return scaled(float(amount), BYTE_UNITS)


_FLOAT_BITS = 1_000
"""Of whole numbers that a float holds."""


def rate_text(per_second: float, unit: str) -> str:
    """Three digits and a prefix, ``989 Tflop/s``."""
    return f"{scaled(per_second, _RATE_UNITS)}{unit}"


def scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Three significant digits in the largest unit that leaves at least 1."""
    size, name = next((unit for unit in reversed(units) if value >= unit[0] * _ROUNDS_TO_ONE), units[0])
    number = value / size
    if number >= _SHOWN_WHOLE:
        return f"{number:.3g} {name}"
    decimals = 2 if number < _ONE_DIGIT else 1 if number < _TWO_DIGITS else 0
    return f"{number:,.{decimals}f} {name}"


_ROUNDS_TO_ONE = 0.9995
_ONE_DIGIT, _TWO_DIGITS = 9.995, 99.95


_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMGTP]?)(i?)[bB]?\s*\Z", re.ASCII)
_SIZE_PREFIXES = "kMGTP"
_BINARY = 1_024
_MOST_SIZE_DIGITS = 30


def bytes_of(name: str, value: object) -> int:
    """``8GiB``, ``8 GB``, ``1.5 MiB`` or a number of bytes. Raise OptionError, with the option's ``name``, for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.match(value) if isinstance(value, str) and len(value) <= _MOST_SIZE_DIGITS else None
    if match is not None and (match[2] or not match[3]):
        number, prefix, binary = match.groups()
        power = _SIZE_PREFIXES.index(prefix.replace("K", "k")) + 1 if prefix else 0
        whole, _, decimals = number.partition(".")
        size: int = int(whole + decimals) * (_BINARY if binary else _THOUSAND) ** power // 10 ** len(decimals)
        if size > 0:
            return size
    shown = repr(value)[:60]
    raise OptionError(
        f"{name} takes a number of bytes, received {shown}",
        hint="For example: 8GiB, 500 MB or 1000000.",
        instead=Instead(value, "8GiB") if isinstance(value, str) and value else None,
    )


_WHOLE = re.compile(r"(\d[\d_,']*)(?:\.0+)?(?:([kKmMgG])|[eE]\+?(\d))?\s*\Z", re.ASCII)
"""Whole numbers as people write them: ``1_000``, ``60,000``, ``16.0``, ``4k``, ``1e3``."""
_LETTERS = str.maketrans("oOlI", "0011")
_POWERS = {"": 0, "k": 3, "m": 6, "g": 9}


def whole_meant(text: str) -> str | None:
    """The digits of the whole number that a text means; None if it means none."""
    if len(text) > _MOST_SIZE_DIGITS:
        return None
    match = _WHOLE.match(text) or (_WHOLE.match(text.translate(_LETTERS)) if text[:1].isdigit() else None)
    if match is None:
        return None
    power = int(match[3]) if match[3] else _POWERS[(match[2] or "").lower()]
    return re.sub(r"[_,']", "", match[1]) + "0" * power
