"""The tensors of a state dict, each storage counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from nncost.frontends.weights.arrays import array_of
from nncost.frontends.weights.contents import Contents, Entry, describes
from nncost.frontends.weights.described import ShapeRecord, StorageRecord, TensorRecord, WrapperRecord
from nncost.frontends.weights.overlaps import Counted, counted_once, extent
from nncost.frontends.weights.quantized.family import is_plausible
from nncost.frontends.weights.training import Chosen, as_state, chosen
from nncost.frontends.weights.walk import Walk
from nncost.records import replace
from nncost.units import counted, noun

_MAX_NAMED = 12
_NUMBERS = frozenset({"numbers", "qdata", "data", "_data", "int_data", "packed_weight", "float8_data", "_packed"})
"""What classes of quantized tensors call the numbers themselves."""
_PAIRS = "_x2"
"""The end of a type of which two numbers share an element."""
_Check = Callable[[StorageRecord], None]
_Read = Callable[[StorageRecord, int, int], bytes]
"""Some bytes of a storage, from a place, so many."""


@dataclass(slots=True)
class _Found:
    """Tensors in the order of the file, what they are parts of, and arrays, by their position among all of them."""

    tensors: list[tuple[str, TensorRecord]] = field(default_factory=list)
    wrappers: dict[int, WrapperRecord] = field(default_factory=dict)
    arrays: list[Entry] = field(default_factory=list)
    without_numbers: int = 0


def contents_of(value: Any, check: _Check, read: _Read) -> Contents:
    """The entries of a described value.

    ``check`` raises ValueError for a storage the file does not hold; ``read`` gives some bytes of one, for the few small
    tensors that describe others, or none.
    """
    walk = Walk()
    choice = chosen(value, walk.has_tensors)
    found = _found(choice.value, walk)
    _check_storages([*found.tensors, *_tensors_of(choice, walk)], check)
    once, exact = counted_once(found.tensors)
    entries: list[Entry] = []
    tied: list[tuple[str, str]] = []
    for position, (name, tensor) in enumerate(found.tensors):
        entry = _entry(name, tensor, once[position], found.wrappers.get(position), tied)
        if entry is not None and describes(entry) and not tensor.has_gaps:
            entry = replace(entry, value=read(tensor.storage, extent(tensor)[0], entry.bytes))
        entries += [] if entry is None else [entry]
    contents = Contents(
        (*entries, *found.arrays),
        (*_left_out(choice, walk), *_tied_note(tied), *_bound_note(exact), *_shapes_note(found)),
    )
    return as_state(contents) if choice.state_only and contents.entries else contents


def _found(value: Any, walk: Walk) -> _Found:
    """All tensors with their dotted names, in order."""
    found = _Found()
    for name, item in walk.leaves(value):
        if isinstance(item, TensorRecord):
            found.tensors.append((name or "tensor", item))
        elif isinstance(item, WrapperRecord):
            _add_wrapper(name, item, found, walk)
        elif isinstance(item, ShapeRecord):
            found.arrays.append(Entry(name or "tensor", item.shape, item.dtype, 0))
            found.without_numbers += 1
        elif (array := array_of(item)) is not None and array[0]:
            found.arrays.append(Entry(name or "array", *array))
    return found


def _add_wrapper(name: str, wrapper: WrapperRecord, found: _Found, walk: Walk) -> None:
    """The parts of a tensor that is made of others: one named so, or the largest, holds its numbers; the others belong to them."""
    parts = _found(wrapper.parts, walk).tensors
    if not parts:
        raise ValueError(f"the tensor {name[:200]!r} of the class {wrapper.name[:100]} has no numbers")
    largest = max(range(len(parts)), key=lambda number: (_last(parts[number][0]) in _NUMBERS, parts[number][1].bytes))
    for number, (part, tensor) in enumerate(parts):
        found.wrappers[len(found.tensors)] = wrapper if number == largest else WrapperRecord(wrapper.name, (), None)
        found.tensors.append((name if number == largest else f"{name}.{part}", tensor))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _tensors_of(choice: Chosen, walk: Walk) -> list[tuple[str, TensorRecord]]:
    return [each for name, part in choice.left_out for each in _found({name: part}, walk).tensors]


def _check_storages(tensors: Sequence[tuple[str, TensorRecord]], check: _Check) -> None:
    """Each storage is in the file and described in one way, and each tensor lies in its storage."""
    storages: dict[str, StorageRecord] = {}
    for name, tensor in tensors:
        storage = tensor.storage
        known = storages.get(storage.key)
        if known is None:
            check(storage)
            storages[storage.key] = storage
        elif known != storage:
            raise ValueError(f"the storage {storage.key[:60]!r} is described in two ways")
        if prod(tensor.shape) and extent(tensor)[1] > storage.elements * storage.item_bytes:
            raise ValueError(f"the tensor {name[:200]!r} reaches beyond its storage")


def _entry(
    name: str, tensor: TensorRecord, once: Counted, wrapper: WrapperRecord | None, tied: list[tuple[str, str]]
) -> Entry | None:
    """The tensor with what is counted of it; None where all of it was counted under another name."""
    if once.owner:
        tied.append((name, once.owner))
        if not once.elements:
            return None
    whole = once.elements == prod(tensor.shape)
    stored = tensor.shape if whole else (once.elements,)
    shape, dtype = stored, tensor.dtype
    if dtype.endswith(_PAIRS):
        shape, dtype = (*shape[:-1], 2 * (shape or (1,))[-1]), dtype.removesuffix(_PAIRS)
    size = once.elements * tensor.item_bytes
    if wrapper is None:
        return Entry(name, shape, dtype, size)
    package = wrapper.name.partition(".")[0]
    if wrapper.parts is None:
        return Entry(name, shape, dtype, size, "quantization", package)
    entry = Entry(name, wrapper.shape, dtype, size, packed=package, stored_shape=stored)
    if prod(wrapper.shape) and not is_plausible(entry, wrapper.shape):
        raise ValueError(f"the tensor {name[:200]!r} claims {prod(wrapper.shape):,} numbers in {size:,} bytes")
    return entry


def _left_out(choice: Chosen, walk: Walk) -> Iterator[str]:
    if choice.left_out:
        shown = choice.left_out[:_MAX_NAMED]
        names = ", ".join(f"{name[:40]} ({counted(_bytes(part, walk), 'byte')})" for name, part in shown)
        names += f" and {len(choice.left_out) - len(shown)} more" if len(choice.left_out) > len(shown) else ""
        counted_here = f"Counted are the tensors under {choice.key!r}; left out: " if choice.key else "Left out: "
        yield f"{counted_here}{names}."


def _bytes(part: Any, walk: Walk) -> int:
    """What a part takes, each storage once."""
    found = _found(part, walk)
    once, _ = counted_once(found.tensors)
    return sum(once[number].elements * tensor.item_bytes for number, (_, tensor) in enumerate(found.tensors)) + sum(
        array.bytes for array in found.arrays
    )


def _tied_note(tied: list[tuple[str, str]]) -> Iterator[str]:
    if tied:
        name, first = tied[0]
        more = f" and {len(tied) - 1} more" if len(tied) > 1 else ""
        yield f"Tied, so counted once: {name} is {first}{more}."


def _shapes_note(found: _Found) -> Iterator[str]:
    if found.without_numbers:
        count = found.without_numbers
        yield f"{counted(count, 'tensor')} {noun(count, 'was', 'were')} on the device meta: the file has the shape and no numbers."


def _bound_note(exact: bool) -> Iterator[str]:
    if not exact:
        yield "Some tensors are views with gaps into one large storage; where they overlap, they are counted twice."
