"""Which symbol grows, between which sizes: ``h=16..4096``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from nncost.dims import Dim
from nncost.errors import Instead, OptionError, SymbolError
from nncost.names import nearest, shortened

USUAL = (1, 1_024)
"""The sizes between which a symbol grows, unless others are asked for."""
_MOST_POINTS = 33
_OVER = re.compile(r"\s*(.+?)\s*(?:=\s*(\d[\d_,]*)\s*(?:\.\.+|…|-|–|:)\s*(\d[\d_,]*))?\s*", re.DOTALL)
_IS_RANGE = re.compile(r"=|\.\.|^[\d_,]+$")
"""What nobody calls a symbol, unless a file does."""
_LARGEST = 10**18


def range_of(over: str | None, lines: Mapping[str, Dim]) -> tuple[str, Dim, int, int]:
    """Return the symbol with its name, and its smallest and largest size. Raise SymbolError if it is not one of those there are."""
    known = _symbols(lines.values())
    if not known:
        raise SymbolError(
            "nothing grows here: no size of this source is a symbol.", hint="For example: nncost plot 784-h-10 growth"
        )
    usual = next(iter(known))
    match = _OVER.fullmatch(usual if over is None else over)
    if match is None or (match[2] is None and match[1] not in known and _IS_RANGE.search(match[1])):
        raise OptionError(
            f"over takes a symbol and its sizes, as {usual}=16..4096, received {shortened(str(over))!r}.",
            instead=Instead(str(over), f"{usual}=16..4096"),
        )
    name = match[1]
    if name not in known:
        close = nearest(name, known) or usual
        raise SymbolError(
            f"there is no symbol {shortened(name)!r} here.",
            hint=f"Symbols: {', '.join(known)}.",
            instead=Instead(name, close),
        )
    _check_others([each for each in known if each != name], name)
    first, last = USUAL if match[2] is None else (_whole(match[2]), _whole(match[3]))
    if not 1 <= first < last <= _LARGEST:
        raise OptionError(
            f"sizes grow from at least 1 to at most 10^18, received {shortened(str(over))}.",
            instead=None if over is None else Instead(over, f"{name}=1..1024"),
        )
    return name, known[name], first, last


def _symbols(amounts: Iterable[Dim]) -> dict[str, Dim]:
    """The symbols by the names that a source gives them."""
    found = {str(each): each for amount in amounts for each in getattr(amount, "free_symbols", ())}
    return {name.strip("'"): found[name] for name in sorted(found)}


def _check_others(others: Sequence[str], name: str) -> None:
    if any("[" in each for each in others):
        raise SymbolError(
            "a family of layers has no one size that grows.", hint="For example: nncost plot 784-h*L-10 growth"
        )
    if others:
        given = " ".join(f"--symbol {quote(f'{each}=128')}" for each in others)
        raise SymbolError(
            f"one symbol grows, {name}; these need a number: {', '.join(others)}.",
            hint=f"For example: {given}", instead=Instead("", given),
        )  # fmt: skip


def _whole(text: str) -> int:
    digits = re.sub("[_,]", "", text)
    return int(digits) if len(digits) < len(str(_LARGEST)) + 2 else _LARGEST + 1


def sizes_between(first: int, last: int) -> list[int]:
    """Return whole sizes between two, each some times the one before; powers of two where both ends are."""
    if first & (first - 1) == 0 and last & (last - 1) == 0 and last.bit_length() - first.bit_length() >= 4:
        return [1 << power for power in range(first.bit_length() - 1, last.bit_length())]
    steps = _MOST_POINTS - 1
    ratio = (last / first) ** (1 / steps)
    between = (round(first * ratio**step) for step in range(1, steps))
    return sorted({first, last, *(size for size in between if first < size < last)})
