"""Where the sizes of a spec stand, so that a program can put others, or symbols, in their places."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.errors import NncostError, SpecError
from nncost.frontends.model import LoadOptions
from nncost.frontends.spec.grammar import Spec
from nncost.frontends.spec.sizes import Place
from nncost.frontends.spec.spelling import respelled
from nncost.frontends.spec.text import emitted
from nncost.records import record


@record(eq=False)
class Written:
    """A spec that was read: its text, its syntax tree, its sizes in the order in which they stand, and its notes."""

    text: str
    tree: Spec
    places: tuple[Place, ...]
    names: tuple[str, ...]
    is_sequence: bool
    notes: tuple[str, ...]

    def with_sizes(self, texts: Mapping[int, str]) -> str:
        """Return the spec with other text at the places of sizes."""
        result, end = [], 0
        for place in self.places:
            if place.position in texts:
                result += [self.text[end : place.position], texts[place.position]]
                end = place.position + len(place.text)
        return "".join([*result, self.text[end:]])


def read(source: str, options: LoadOptions) -> Written:
    """Read a spec. Raise SpecError for anything that does not fit; it does not say what may be meant."""
    text = respelled(source)
    context, tree, _, _ = emitted(text, options)
    sizes = context.sizes
    places = tuple(sizes.places[position] for position in sorted(sizes.places))
    is_sequence = any(tensor.dtype == "int64" for tensor in context.builder.inputs)
    return Written(text, tree, places, tuple(sizes.used), is_sequence, tuple(context.notes))


def fits(text: str, options: LoadOptions) -> bool:
    """Return whether a spec can be read under the options."""
    try:
        emitted(text, options)
    except (SpecError, NncostError, ValueError):
        return False
    return True
