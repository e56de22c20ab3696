"""The arguments of one spec layer, read by name with an error at the right place."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from nncost.dims import Dim
from nncost.errors import SpecError
from nncost.frontends.spec.grammar import Layer, Word
from nncost.frontends.spec.layer_names import argument_named
from nncost.frontends.spec.sizes import Sizes
from nncost.names import nearest

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "none", "0")


class Arguments:
    """Positional words, ``key=value`` options and flags of a layer, checked against its signature."""

    def __init__(
        self, sizes: Sizes, layer: Layer, positional: Sequence[str], options: Sequence[str], flags: Sequence[str]
    ) -> None:
        self.sizes = sizes
        self.layer = layer
        self._positional = positional
        self._words: dict[str, Word] = {}
        self._flags: set[str] = set()
        waiting = list(positional)
        for argument in layer.arguments:
            key, value = argument.key, argument.value
            name = argument_named((key or value).text, flags if key is None else (*positional, *options, *flags))
            if name in flags and (key is None or value.text.lower() in (*_YES, *_NO)):
                self._set_flag(name, key is None or value.text.lower() in _YES)
            elif key is None and waiting:
                self._words[waiting.pop(0)] = value
            elif key is not None and name is not None and name not in (*flags, *self._words):
                self._words[name] = value
                waiting = [each for each in waiting if each != name]
            else:
                raise self._unexpected(key or value, name, positional, options, flags)

    def _set_flag(self, name: str, is_set: bool) -> None:
        self._flags = self._flags | {name} if is_set else self._flags - {name}

    def _unexpected(
        self, word: Word, name: str | None, positional: Sequence[str], options: Sequence[str], flags: Sequence[str]
    ) -> SpecError:
        if name in self._words:
            return self.sizes.error(f"{word.text!r} is given twice", word)
        accepted = [*(name.upper() for name in positional), *(f"{name}=" for name in options), *flags]
        close = nearest(word.text, [*options, *flags])
        hint = f"Accepted after {self.layer.name.text}: {' '.join(accepted) or 'nothing'}."
        if close:
            hint = f"Did you mean {close!r}? {hint}"
        return self.sizes.error(f"{self.layer.name.text} does not take {word.text!r}", word, hint=hint, meant=close)

    def word(self, name: str) -> Word | None:
        """The word given for an argument."""
        return self._words.get(name)

    def required(self, name: str, example: str) -> Word:
        """The word of an argument that must be there; the ``example`` of the layer has all of them."""
        word = self._words.get(name)
        if word is None:
            raise self.sizes.error(
                f"{self.layer.name.text} needs {name.upper()}", self.layer.name,
                hint=f"For example:  {example}", meant=self._completed(example),
            )  # fmt: skip
        return word

    def _completed(self, example: str) -> str:
        """The layer's name with what is missing of its arguments behind it, as in the example."""
        _, *words = example.split()
        given = sum(argument.key is None for argument in self.layer.arguments)
        named = [word for word in words if "=" in word and not word.startswith("pad")]
        missing = words[given : len(self._positional)] + (named if not self._positional else [])
        if given == 0:
            return " ".join([self.layer.name.text, *missing])
        keyed = zip(self._positional[given:], missing, strict=False)
        return " ".join([self.layer.name.text, *(f"{name}={value}" for name, value in keyed)])

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
        text = word.text.lower()
        if text not in (*_YES, *_NO):
            close = nearest(text, ("yes", "no"))
            raise self.sizes.error(f"{name} is yes or no, received {word.text!r}", word, meant=close)
        return text in _YES

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
