"""Words of a spec as sizes: numbers, symbols, shapes such as ``3x32x32``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate

from nncost.dims import Dim, Shape, is_symbolic, symbol
from nncost.errors import Instead, SpecError, SymbolError
from nncost.frontends.arguments import MAX_NAME_LENGTH
from nncost.frontends.spec.grammar import Word
from nncost.names import nearest
from nncost.records import record
from nncost.units import whole_meant

MAX_DIGITS, MAX_NAMES = 1_000, 100
"""Digits of a number, open symbols of a spec, characters of a symbol: formulas stay readable and quick."""
MAX_CORRECTED = 2_000
"""Characters of a spec that is shown again as it may be meant."""
_NUMBER = re.compile(r"[0-9]+\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@record
class Place:
    """Where a size stands in a spec, and what it is: ``a width``, ``N``, ``the number of repetitions``."""

    text: str
    position: int
    what: str


class Sizes:
    """Reads words as sizes under the caller's bindings and remembers which names were used, and where sizes stand."""

    def __init__(self, spec: str, bindings: Mapping[str, int]) -> None:
        self.spec = spec
        self.bindings = bindings
        self.used: dict[str, None] = {}
        self.places: dict[int, Place] = {}

    def error(
        self,
        message: str,
        word: Word,
        *,
        hint: str | None = None,
        meant: str | None = None,
        corrected: str | None = None,
    ) -> SpecError:
        """An error with a caret under the word; ``meant`` is what would be right in its place, or ``corrected`` the whole spec."""
        start, end = word.position, word.position + len(word.text)
        if meant is not None and len(self.spec) <= MAX_CORRECTED and self.spec[start:end] == word.text:
            corrected = f"{self.spec[:start]}{meant}{self.spec[end:]}"
        return SpecError(message, self.spec, start, length=len(word.text), hint=hint, corrected=corrected)

    def size(self, word: Word, what: str = "a size") -> Dim:
        """A number ≥ 1 or a symbol."""
        return self._dim(word.text, word, what)

    def integer(self, word: Word, what: str, *, minimum: int = 1) -> int:
        """A number; a bound symbol is accepted."""
        value = self.bindings.get(word.text, word.text) if _NAME.match(word.text) else word.text
        if isinstance(value, int):
            self.used[word.text] = None
            number = value
        elif _NUMBER.match(value):
            number = self._number(value, word)
        else:
            message = f"{what} must be a whole number, received {word.text!r}"
            raise self.error(message, word, meant=whole_meant(value))
        if number < minimum:
            raise self.error(f"{what} must be at least {minimum}, received {number}", word)
        return number

    def shape(self, word: Word, what: str = "the input shape") -> Shape:
        """Sizes with an x between them; a name may contain x only where splitting it gives no shape."""
        pieces = word.text.split("x")
        if all(_NUMBER.match(piece) or _NAME.match(piece) for piece in pieces):
            ends = accumulate(len(piece) + 1 for piece in pieces)
            starts = [word.position + end - len(piece) - 1 for piece, end in zip(pieces, ends, strict=True)]
            return tuple(self._dim(piece, word, what, start) for piece, start in zip(pieces, starts, strict=True))
        return (self._dim(word.text, word, what),)

    @property
    def open_names(self) -> int:
        """How many symbols have no number."""
        return sum(name not in self.bindings for name in self.used)

    def check_bindings(self, extra: frozenset[str]) -> None:
        """Raise SymbolError if a binding names no symbol of the spec."""
        for name in self.bindings:
            if name not in self.used and name not in extra:
                known, close = ", ".join(self.used) or "none", nearest(name, self.used)
                instead = None if close is None else Instead(name, close)
                raise SymbolError(
                    f"--symbol {name}=…: the source has no symbol {name!r}.",
                    hint=f"Its symbols: {known}.",
                    instead=instead,
                )

    def _dim(self, text: str, word: Word, what: str, position: int | None = None) -> Dim:
        """The size that a word, or the piece of one at a position, stands for."""
        start = word.position if position is None else position
        self.places[start] = Place(text, start, what)
        if _NUMBER.match(text):
            number = self._number(text, word)
            if number < 1:
                raise self.error(f"{what} must be at least 1, received {text}", word)
            return number
        if not _NAME.match(text):
            message = f"{what} must be a whole number or a name, received {word.text!r}"
            raise self.error(message, word, meant=whole_meant(text) if text == word.text else None)
        if len(text) > MAX_NAME_LENGTH:
            raise self.error(f"a name may have {MAX_NAME_LENGTH} characters, received {len(text):,}", word)
        self.used[text] = None
        if text in self.bindings:
            return self.bindings[text]
        if self.open_names > MAX_NAMES:
            raise self.error(
                f"a spec may have {MAX_NAMES} symbols without a number", word, hint="Bind some, e.g. --symbol h=128."
            )
        return symbol(text)

    def _number(self, text: str, word: Word) -> int:
        if len(text) > MAX_DIGITS:
            raise self.error(f"a size may have {MAX_DIGITS:,} digits, received {len(text):,}", word)
        return int(text)


def number_or_none(dim: Dim) -> int | None:
    """The number behind a size, or None for a symbol."""
    return None if is_symbolic(dim) else dim
