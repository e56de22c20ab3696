"""What a family of quantized weights is, and the tensors of one layer that it looks at."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from math import prod

from nncost.frontends.weights.contents import Entry
from nncost.frontends.weights.quantized.settings import Settings
from nncost.records import record

BITS = 8
Shape = tuple[int, ...]
_INTEGERS = {"int64": "q", "int32": "i", "int16": "h", "int8": "b", "uint8": "B"}
_MAX_AXES = 8


@record
class Layer:
    """The packed weights of a layer, what was found beside them by ending, and what a configuration says."""

    weight: Entry
    data: Mapping[str, Entry]
    settings: Settings

    def shape(self, ending: str) -> Shape | None:
        """Return the shape of the tensor of that ending; None if there is none."""
        return self.data[ending].shape if ending in self.data else None

    def sizes(self, ending: str) -> Shape | None:
        """Return the sizes that a small tensor of integers holds; None if it was not read, or they are no sizes."""
        entry = self.data.get(ending)
        code = _INTEGERS.get(entry.dtype) if entry is not None else None
        if entry is None or code is None or not 0 < entry.elements <= _MAX_AXES or len(entry.value) != entry.bytes:
            return None
        sizes = struct.unpack(f"<{entry.elements}{code}", entry.value)
        return sizes if all(size > 0 for size in sizes) else None

    def stated(self, ending: str) -> Mapping[str, object]:
        """Return the JSON that a tensor of bytes holds; empty if it was not read, or holds none."""
        entry = self.data.get(ending)
        try:
            value = json.loads(entry.value) if entry is not None else {}
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


@record
class Family:
    """One way to store quantized weights.

    ``weight`` is the ending of the packed weights' name, and ``data`` are those of what belongs to them in its place:
    ``qweight`` and ``scales``, or nothing and ``_scale`` for ``weight`` and ``weight_scale``. ``siblings`` are names of
    other tensors of the same layer. ``logical`` gives the shape of the weights in the network; None says that the tensors
    are not of this family. ``assumed`` says what such a shape rests on if nothing stored tells it.
    """

    title: str
    weight: str
    data: tuple[str, ...]
    logical: Callable[[Layer], Shape | None]
    siblings: tuple[str, ...] = ()
    assumed: Callable[[Layer], str] | None = None

    def layer(self, weight: Entry, by_name: Mapping[str, Entry], settings: Settings) -> Layer | None:
        """Return the layer of packed weights; None if the name does not fit, or nothing stands beside it."""
        name = weight.name
        stem = name.removesuffix(self.weight)
        if self.weight and (len(stem) == len(name) or (stem and stem[-1] != "." and self.weight[0] not in "._")):
            return None
        parent = name[: name.rfind(".") + 1]
        places = {ending: stem + ending for ending in self.data} | {last: parent + last for last in self.siblings}
        found = {ending: by_name[place] for ending, place in places.items() if place in by_name and place != name}
        return Layer(weight, found, settings) if found else None


def widened(shape: Shape, axis: int, factor: int) -> Shape:
    """Return a shape of which one axis holds so many times more."""
    axis %= len(shape)
    return (*shape[:axis], shape[axis] * factor, *shape[axis + 1 :])


def is_plausible(weight: Entry, shape: Shape) -> bool:
    """Whether a weight then takes between half a bit and eight bytes: any file may lie about what it packs."""
    elements = prod(shape)
    return elements > 0 and elements <= 2 * BITS * weight.bytes and weight.bytes <= BITS * elements
