"""Words and numbers of a drawing, and how wide they are at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unicodedata import combining, east_asian_width

from nncost.dims import Dim, Shape, is_symbolic
from nncost.names import printable
from nncost.units import compact, exact

_WIDE, _BROAD, _CAPITAL, _USUAL, _NARROW = 1.1, 1.0, 0.79, 0.63, 0.36
_BROAD_LETTERS = frozenset("mwMW@%—…&~^<>=+#")
_NARROW_LETTERS = frozenset("ijlI.,'|·")
_MOST_DIGITS, _MOST_FORMULA = 21, 34
_SHORT_SIZE = 10**7


def text_width(string: str, size: float) -> float:
    """The width of a line of text at a size of font: rather too much than too little."""
    return size * sum(map(_letter_width, string))


def _letter_width(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _NARROW
    if letter in _BROAD_LETTERS:
        return _BROAD
    if letter.isascii():
        return _CAPITAL if letter.isupper() else _USUAL
    if combining(letter):
        return 0.0
    return _WIDE if east_asian_width(letter) in "WFA" or ord(letter) > 0x2FFF else _CAPITAL


def fitted(string: str, width: float, size: float) -> str:
    """Text on one line that is no wider than that: its beginning and a mark if it is."""
    string = " ".join(printable(string[:400], "\n").split())
    if text_width(string, size) <= width:
        return string
    kept, room = "", width - text_width("…", size)
    for letter in string:
        room -= text_width(letter, size)
        if room < 0:
            break
        kept += letter
    return f"{kept.rstrip()}…"


def path_fitted(path: str, width: float, size: float) -> str:
    """A layer's path that is no wider than that: its end, which tells layers apart, if it is."""
    path = " ".join(printable(path[-400:], "\n").split())
    if text_width(path, size) <= width:
        return path
    return f"…{fitted(path[::-1], width - text_width('…', size), size).removesuffix('…')[::-1]}"


def amount(number: Dim) -> str:
    """An exact number; one that is too long for a picture as ``≈ 1.23e40``, a formula by its beginning."""
    shown = exact(number)
    if not is_symbolic(number):
        return shown if len(shown) <= _MOST_DIGITS else f"≈ {compact(number)}"
    return shown if len(shown) <= _MOST_FORMULA else f"{shown[:_MOST_FORMULA]}…"


def size_of(dim: Dim) -> str:
    """A size inside a shape: ``1024``; formulas of several terms in brackets."""
    if isinstance(dim, int) and abs(dim) < _SHORT_SIZE:
        return str(dim)
    shown = amount(dim)
    return f"({shown})" if any(sign in shown for sign in " +−·") else shown


def shape_of(shape: Shape | None) -> str:
    """A shape as people write it: ``1×128×64``; ``shape unknown`` for None."""
    if shape is None:
        return "shape unknown"
    if len(shape) > 6:
        return f"{'×'.join(map(size_of, shape[:5]))}×…×{size_of(shape[-1])}"
    return "×".join(map(size_of, shape)) or "one number"


def times_of(times: Dim) -> str:
    """How often something stands there: ``×12``, ``×(L − 1)``."""
    return f"×{size_of(times)}" if is_symbolic(times) else f"×{amount(times)}"


def channels_of(shape: Shape) -> str:
    """The shape of an example's feature maps: ``16@28×28``, ``64`` without axes of space."""
    return (
        f"{size_of(shape[0])}@{'×'.join(map(size_of, shape[1:]))}" if len(shape) > 1 else "".join(map(size_of, shape))
    )


def listed(words: Mapping[str, Dim]) -> list[str]:
    """Words with how often they stand there: ``conv``, ``2 relu``."""
    return [word if times == 1 else f"{size_of(times)} {word}" for word, times in words.items()]


def wrapped(parts: Sequence[str], width: float, size: float, most: int = 2) -> list[str]:
    """Parts with commas between them, on at most so many lines; the last one ends in a mark where some are left out."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}, {part}" if lines else ""
        if lines and text_width(joined, size) <= width:
            lines[-1] = joined
        elif len(lines) == most:
            lines[-1] = fitted(f"{lines[-1]}, …", width, size)
            break
        else:
            lines.append(fitted(part, width, size))
    return lines
