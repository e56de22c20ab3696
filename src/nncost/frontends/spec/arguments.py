"""The arguments of one spec layer, read by name with an error at the right place."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from nncost.dims import Dim
from nncost.errors import SpecError
from nncost.frontends.spec.grammar import Layer, Word
from nncost.frontends.spec.sizes import Sizes


class Arguments:
    """Positional words, ``key=value`` options and flags of a layer, checked against its signature."""

    def __init__(
        self, sizes: Sizes, layer: Layer, positional: Sequence[str], options: Sequence[str], flags: Sequence[str]
    ) -> None:
        self.sizes = sizes
        self.layer = layer
        self._words: dict[str, Word] = {}
        self._flags: set[str] = set()
        waiting = list(positional)
        for argument in layer.arguments:
            key, value = argument.key, argument.value
            if key is None and value.text in flags:
                self._flags.add(value.text)
            elif key is None and waiting:
                self._words[waiting.pop(0)] = value
            elif key is not None and (key.text in options or key.text in positional) and key.text not in self._words:
                self._words[key.text] = value
            else:
                raise self._unexpected(key or value, key is not None, positional, options, flags)

    def _unexpected(
        self, word: Word, is_key: bool, positional: Sequence[str], options: Sequence[str], flags: Sequence[str]
    ) -> SpecError:
        if is_key and word.text in self._words:
            return self.sizes.error(f"{word.text!r} is given twice", word)
        accepted = [*(name.upper() for name in positional), *(f"{name}=" for name in options), *flags]
        from difflib import get_close_matches

        close = get_close_matches(word.text, [*options, *flags], 1)
        hint = f"Accepted after {self.layer.name.text}: {' '.join(accepted) or 'nothing'}."
        if close:
            hint += f" Did you mean {close[0]!r}?"
        return self.sizes.error(f"{self.layer.name.text} does not take {word.text!r}", word, hint=hint)

    def word(self, name: str) -> Word | None:
        """The word given for an argument."""
        return self._words.get(name)

    def required(self, name: str, example: str) -> Word:
        """The word of an argument that must be there."""
        word = self._words.get(name)
        if word is None:
            raise self.sizes.error(
                f"{self.layer.name.text} needs {name.upper()}", self.layer.name, hint=f"For example:  {example}"
            )
        return word

    def size(self, name: str, example: str) -> Dim:
        """A required size."""
        return self.sizes.size(self.required(name, example), name.upper())

    def integer(self, name: str, default: int, *, minimum: int = 1) -> int:
        """An optional whole number."""
        word = self._words.get(name)
        return default if word is None else self.sizes.integer(word, name, minimum=minimum)

    def per_axis(self, name: str, axes: int, default: int, *, minimum: int = 1) -> list[int]:
        """An optional number per axis: ``2`` or ``2x1``."""
        word = self._words.get(name)
        if word is None:
            return [default] * axes
        pieces = [
            self.sizes.integer(Word(piece or word.text, word.position), name, minimum=minimum)
            for piece in word.text.split("x")
        ]
        if len(pieces) == 1:
            return pieces * axes
        if len(pieces) != axes:
            raise self.sizes.error(f"{name} has {len(pieces)} sizes for {axes} axes", word)
        return pieces

    def flag(self, name: str) -> bool:
        """Whether a flag is there."""
        return name in self._flags

    def yes_or_no(self, name: str, default: bool) -> bool:
        """``name=yes`` or ``name=no``."""
        word = self._words.get(name)
        if word is None:
            return default
        if word.text not in ("yes", "no"):
            raise self.sizes.error(f"{name} is yes or no, received {word.text!r}", word)
        return word.text == "yes"

    def probability(self, name: str, default: float) -> float:
        """A number from 0 to 1."""
        word = self._words.get(name)
        if word is None:
            return default
        try:
            value = float(word.text)
        except ValueError:
            value = -1.0
        if not (isfinite(value) and 0 <= value <= 1):
            raise self.sizes.error(f"a probability lies between 0 and 1, received {word.text!r}", word)
        return value
