"""Views of tensors in core operations: taking one, and putting a changed one back."""

from __future__ import annotations

from typing import Any

from nncost.dims import Shape
from nncost.frontends.torch.tracing.log import Entry
from nncost.ir import ops
from nncost.ir.builder import Builder, no_gradient
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

_RESHAPING = {
    "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "_reshape_alias", "view_as",
    "_unsafe_masked", "unsqueeze_", "squeeze_",
}  # fmt: skip
_TRANSPOSING = {"t", "transpose", "permute", "movedim", "swapaxes", "numpy_T", "mT", "swapdims"}
_TAKING_PIECES = {"select", "slice", "narrow", "split", "split_with_sizes", "chunk", "unbind"}
_SAME = {"alias", "detach", "lift_fresh", "lift", "_conj", "_neg_view", "resolve_conj", "contiguous", "to", "detach_"}


def taken(b: Builder, entry: Entry, parent: Tensor, shape: Shape, place: int) -> Tensor:
    """The view an entry took of its first argument. Raise NotImplementedError for one that is no move."""
    name = entry.info.name.partition("::")[2]
    if name in ("detach", "detach_"):
        return _without_gradient(b, parent)
    if name in _SAME:
        return parent
    if name in _RESHAPING:
        return b.reshape(parent, shape)
    if name in _TRANSPOSING:
        return b.transpose(parent, _order(entry, name, parent.rank))
    if name in ("expand", "expand_as", "broadcast_to"):
        return b.broadcast(parent, shape)
    if name in _TAKING_PIECES:
        return _piece(b, entry, parent, shape, place)
    if name == "unfold":
        dim, size, step = (_argument(entry, i, n) for i, n in ((1, "dimension"), (2, "size"), (3, "step")))
        return b.emit(ops.Window((dim % parent.rank,), (size,), (step,), (1,)), parent)
    raise NotImplementedError(entry.info.name)


def _without_gradient(b: Builder, x: Tensor) -> Tensor:
    """The same values; gradients end here."""
    with b.region(Operation("detach"), x) as region:
        region.returns(b.emit(ops.Reshape(x.shape), x), gradient=no_gradient)
    return region.outputs[0]


def put_back(b: Builder, entry: Entry, parent: Tensor, changed: Tensor, place: int) -> Tensor:
    """The parent with the elements of a view replaced. Raise NotImplementedError if that is no move."""
    name = entry.info.name.partition("::")[2]
    if name in _SAME:
        return changed
    if name in _RESHAPING:
        return b.reshape(changed, parent.shape)
    if name in _TRANSPOSING:
        order = _order(entry, name, parent.rank)
        return b.transpose(changed, [order.index(axis) for axis in range(parent.rank)])
    if name in _TAKING_PIECES:
        axis, start, length, step = _extent(entry, parent, place)
        if step != 1:
            raise NotImplementedError(entry.info.name)
        if not length:
            return parent
        whole = b.reshape(changed, (*parent.shape[:axis], length, *parent.shape[axis + 1 :]))
        pieces, position = _split(b, parent, axis, start, length)
        pieces[position] = whole
        return b.emit(ops.Concat(axis), *pieces) if len(pieces) > 1 else whole
    raise NotImplementedError(entry.info.name)


def _order(entry: Entry, name: str, rank: int) -> list[int]:
    order = list(range(rank))
    if name in ("t", "numpy_T"):
        return order[::-1]
    if name == "mT":
        return [*order[:-2], order[-1], order[-2]]
    if name == "permute":
        return [axis % rank for axis in _argument(entry, 1, "dims")]
    first, second = (_argument(entry, 1, "dim0") % rank, _argument(entry, 2, "dim1") % rank)
    order[first], order[second] = order[second], order[first]
    return order


def _piece(b: Builder, entry: Entry, parent: Tensor, shape: Shape, place: int) -> Tensor:
    axis, start, length, step = _extent(entry, parent, place)
    if not length:
        return b.full(shape, 0.0, parent.dtype)
    pieces, position = _split(b, parent, axis, start, length)
    piece = pieces[position]
    if step != 1:
        piece = b.emit(ops.Stride(axis, step), piece)
    return b.reshape(piece, shape)


def _split(b: Builder, parent: Tensor, axis: int, start: int, length: int) -> tuple[list[Tensor], int]:
    """What stands before, inside and behind a piece of an axis, without what is empty; and which of them is inside."""
    rest = parent.shape[axis] - start - length
    sizes = tuple([size for size in (start, length, rest) if size])
    return (list(b.emit_many(ops.Split(axis, sizes), parent)) if len(sizes) > 1 else [parent]), (1 if start else 0)


def _extent(entry: Entry, parent: Tensor, place: int) -> tuple[int, int, int, int]:
    """Axis, first element, length and step of a piece of an axis."""
    name = entry.info.name.partition("::")[2]
    axis = _argument(entry, 2 if name in ("split", "split_with_sizes", "chunk") else 1, "dim", 0) % max(parent.rank, 1)
    size: Any = parent.shape[axis]
    if name in ("select", "unbind"):
        index = place if name == "unbind" else _argument(entry, 2, "index")
        return axis, index % size, 1, 1
    if name == "slice":
        start, end, _ = slice(_argument(entry, 2, "start", None), _argument(entry, 3, "end", None)).indices(size)
        return axis, start, max(end - start, 0), _argument(entry, 4, "step", 1)
    if name == "narrow":
        return axis, _argument(entry, 2, "start") % size, _argument(entry, 3, "length"), 1
    lengths = [piece.shape[axis] for piece in entry.result]
    return axis, sum(lengths[:place]), lengths[place], 1


_MISSING = object()


def _argument(entry: Entry, position: int, name: str, default: Any = _MISSING) -> Any:
    if position < len(entry.args):
        return entry.args[position]
    if name in entry.kwargs:
        return entry.kwargs[name]
    if default is _MISSING:
        raise NotImplementedError(entry.info.name)
    return default
