"""The arguments of one spec layer, read by name with an error at the right place."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from nncost.dims import Dim
from nncost.errors import SpecError
from nncost.frontends.spec.grammar import Layer, Word
from nncost.frontends.spec.layer_names import argument_named, layer_named
from nncost.frontends.spec.sizes import MAX_CORRECTED, Sizes
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
            if name is not None and name in flags and (key is None or value.text.lower() in (*_YES, *_NO)):
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
        meant = nearest(word.text, [*options, *flags])
        close, named = meant, argument_named(word.text, options)
        if name is None and named is not None:
            close, meant = None, f"{named}="  # an option whose value stands behind a blank
        elif name is None and word.text.isdigit() and options and not positional:
            meant = f"{options[0]}={word.text}"
        elif name is None and self._is_layer(word.text):
            close, meant = None, f", {word.text}"
        hint = f"Accepted after {self.layer.name.text}: {' '.join(accepted) or 'nothing'}."
        if close:
            hint = f"Did you mean {close!r}? {hint}"
        return self.sizes.error(f"{self.layer.name.text} does not take {word.text!r}", word, hint=hint, meant=meant)

    def _is_layer(self, text: str) -> bool:
        from nncost.frontends.spec.layers import LAYERS

        return layer_named(text, LAYERS) is not None

    def word(self, name: str) -> Word | None:
        """The word given for an argument."""
        return self._words.get(name)

    def required(self, name: str, example: str) -> Word:
        """The word of an argument that must be there; the ``example`` of the layer has all of them."""
        word = self._words.get(name)
        if word is None:
            raise self.sizes.error(
                f"{self.layer.name.text} needs {name.upper()}", self.layer.name,
                hint=f"For example:  {example}", corrected=self._completed(example),
            )  # fmt: skip
        return word

    def _completed(self, example: str) -> str | None:
        """The spec with what is missing of the layer's arguments behind it, as in the example."""
        _, *words = example.split()
        given = [argument for argument in self.layer.arguments if argument.key is None]
        named = [word for word in words if "=" in word]
        missing = words[len(given) : len(self._positional)] if self._positional else named
        last = given[-1].value if given else self.layer.name
        end = last.position + len(last.text)
        spec = self.sizes.spec
        return f"{spec[:end]} {' '.join(missing)}{spec[end:]}" if len(spec) <= MAX_CORRECTED else None

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
            meant = "x".join(word.text.split("x")[:axes]) if len(pieces) > axes else None
            raise self.sizes.error(f"{name} has {len(pieces)} sizes for {axes} axes", word, meant=meant)
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
            close = nearest(text, (*_YES, *_NO)) or "yes"
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
            raise self.sizes.error(f"a probability lies between 0 and 1, received {word.text!r}", word, meant="0.5")
        return value
