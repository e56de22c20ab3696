"""Sequences and optionals, as far as their lengths are known: they hold values, and cost nothing themselves."""

from __future__ import annotations

from typing import cast

from nncost.dims import is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import known_array
from nncost.frontends.onnx.lowering import Lowered, follows_bodies
from nncost.frontends.onnx.values import Absent, Nothing, TensorList, Unlowered, Value
from nncost.ir.graph import Tensor

MAX_PIECES = 4096
"""Pieces of the longest sequence that is made of one tensor."""


@follows_bodies("SequenceConstruct")
def _sequence(call: Call) -> Value:
    return _list([_element(call, n) for n in range(len(call.values))])


def _element(call: Call, position: int) -> Value:
    value = call.values[position]
    if value is None or isinstance(value, Absent):
        raise Unlowered(f"its operand {position + 1} is unknown")
    return value


def _list(items: list[Value]) -> TensorList:
    return TensorList(tuple(items), items[0].dtype if items else "float32")


@follows_bodies("SequenceEmpty")
def _empty(call: Call) -> Value:
    return TensorList((), call.walk.types.coded(call.attributes.integer("dtype", 1)) or "")


def _place(call: Call, position: int, length: int, *, most: int) -> int:
    """A place in a sequence of this length, counted from the front."""
    place = int(call.only(position, length))
    if not -length <= place <= most:
        raise ShapeError(f"there is no place {place} in a sequence of {length}.")
    return place + length if place < 0 else place


@follows_bodies("SequenceInsert")
def _insert(call: Call) -> Value:
    items = list(call.sequence(0).items)
    items.insert(_place(call, 2, len(items), most=len(items)), _element(call, 1))
    return _list(items)


@follows_bodies("SequenceErase")
def _erase(call: Call) -> Value:
    items = list(call.sequence(0).items)
    place = _place(call, 1, len(items), most=len(items) - 1) if call.has(1) else len(items) - 1
    if items:
        del items[place]
    return _list(items)


@follows_bodies("SequenceAt")
def _at(call: Call) -> Value:
    items = call.sequence(0).items
    return items[_place(call, 1, len(items), most=len(items) - 1)]


@follows_bodies("SequenceLength")
def _length(call: Call) -> Value:
    import numpy as np

    return known_array(np.asarray(len(call.sequence(0).items)), "int64")


@follows_bodies("ConcatFromSequence")
def _concat(call: Call) -> Lowered:
    """The elements joined along an axis, or along a new one."""
    b, items = call.builder, call.sequence(0).items
    if not items:
        raise SourceError("it joins an empty sequence.")
    new = call.attributes.flag("new_axis", False)
    axis = call.axis(call.attributes.integer("axis", 0), len(items[0].shape) + new)
    tensors = [call.walk.tensors.of(item, None) for item in items]
    joined = b.concat([b.unsqueeze(x, axis) for x in tensors] if new else tensors, axis)
    return b.map("identity", joined) if len(tensors) == 1 else joined


@follows_bodies("SplitToSequence")
def _split(call: Call) -> Value:
    """Pieces of the sizes given, of one size, or single slices, which lose their axis unless ``keepdims`` is set."""
    b, x = call.builder, call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    length = x.shape[axis]
    if is_symbolic(length):
        raise Unlowered("a sequence of pieces whose number is a symbol")
    total = cast("int", length)
    if not call.has(1):
        _check_pieces(total)
        slices = b.split(x, (1,) * total, axis) if total else ()
        keep = call.attributes.flag("keepdims", True)
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return _made(call, [piece if keep else b.reshape(piece, shape) for piece in slices])
    sizes = call.numbers(1)
    if not call.value(1).shape:
        (size,) = sizes
        if size < 1:
            raise ShapeError(f"pieces have at least one element, received {size}.")
        _check_pieces(-(-total // size))
        sizes = [min(size, total - start) for start in range(0, total, size)]
    return _made(call, list(b.split(x, tuple(sizes), axis)))


def _check_pieces(count: int) -> None:
    if count > MAX_PIECES:
        raise Unlowered(f"a sequence of more than {MAX_PIECES} pieces")


def _made(call: Call, pieces: list[Tensor]) -> TensorList:
    return _list([call.like(call.value(0), piece) for piece in pieces])


@follows_bodies("SequenceMap")
def _map(call: Call) -> Lowered:
    """The body on each element, with tensors handed to every one of its runs."""
    body, items = call.attributes.graph("body"), call.sequence(0).items
    made: list[list[Value]] = [[] for _ in body.output]
    for number in range(len(items)):
        others = [value.items[number] if isinstance(value, TensorList) else value for value in call.values[1:]]
        given = [items[number], *(Nothing() if value is None else value for value in others)]
        for results, value in zip(made, call.walk.run_graph(body, given, "body"), strict=True):
            results.append(value)
    return tuple(_list(results) for results in made)


# ------------------------------------------------------------------- optionals
@follows_bodies("Optional")
def _optional(call: Call) -> Value:
    return _element(call, 0) if call.has(0) else Nothing()


@follows_bodies("OptionalHasElement")
def _has_element(call: Call) -> Value:
    import numpy as np

    value = call.values[0] if call.values else None
    if isinstance(value, Absent):
        raise Unlowered(value.reason)
    return known_array(np.asarray(value is not None and not isinstance(value, Nothing)), "bool")


@follows_bodies("OptionalGetElement")
def _get_element(call: Call) -> Value:
    value = _element(call, 0)
    if isinstance(value, Nothing):
        raise SourceError("it takes the element of an optional that has none.")
    return value
