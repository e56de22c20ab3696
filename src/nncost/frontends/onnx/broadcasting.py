"""NumPy's broadcasting of shapes, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nncost.dims import Dim, Shape, is_symbolic, same, shape_text
from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.graph import Tensor

if TYPE_CHECKING:
    from nncost.frontends.onnx.call import Call


def common_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape all of the shapes broadcast to.

    Raise ShapeError if two sizes differ and neither is one. A symbol and a number other than
    one are taken to be equal, as the file promises; the number is kept.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_common(column, shapes) for column in zip(*padded, strict=True))


def _common(dims: Sequence[Dim], shapes: Sequence[Shape]) -> Dim:
    wide = [dim for dim in dims if dim != 1]
    numbers = [dim for dim in wide if not is_symbolic(dim)]
    chosen: Dim = (numbers or wide or [1])[0]
    for dim in wide:
        if not same(dim, chosen) and not (is_symbolic(dim) or is_symbolic(chosen)):
            raise ShapeError(f"the shapes {' and '.join(map(shape_text, shapes))} do not broadcast.")
    return chosen


def check_broadcast(shape: Shape, target: Shape) -> None:
    """Raise ShapeError if ``shape`` does not broadcast to ``target``."""
    if len(shape) > len(target) or not _equal(common_shape([shape, target]), target):
        raise ShapeError(f"the shape {shape_text(shape)} does not broadcast to {shape_text(target)}.")


def _equal(found: Shape, target: Shape) -> bool:
    return all(same(a, b) or is_symbolic(b) for a, b in zip(found, target, strict=True))


def fitted(call: Call, x: Tensor, shape: Shape) -> Tensor:
    """``x`` with the sizes that it is trusted to have where it meets ``shape``: some are equal for some symbols only."""
    rank = x.rank
    wanted = shape[len(shape) - rank :]
    sizes = tuple(dim if dim == 1 or same(dim, want) else want for dim, want in zip(x.shape, wanted, strict=True))
    if all(same(dim, size) for dim, size in zip(x.shape, sizes, strict=True)):
        return x
    call.walk.trust(x.shape, sizes)
    return call.builder.emit(ops.Reshape(sizes, trusted=True), x)
