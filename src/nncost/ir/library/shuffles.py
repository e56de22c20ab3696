"""Elements in another order: pixels, channels, quarter turns, rolls, diagonals. Moves only."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def pixel_shuffle(b: Builder, x: Tensor, r: int) -> Tensor:
    """``(…, C·r², H, W)`` gives ``(…, C, H·r, W·r)``."""
    *batch, channels, height, width = x.shape
    parted = b.reshape(x, (*batch, exact_divide(channels, r * r), r, r, height, width))
    n = len(batch)
    moved = b.transpose(parted, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return b.reshape(moved, (*batch, exact_divide(channels, r * r), height * r, width * r))


def pixel_unshuffle(b: Builder, x: Tensor, r: int) -> Tensor:
    """``(…, C, H·r, W·r)`` gives ``(…, C·r², H, W)``."""
    *batch, channels, height, width = x.shape
    rows, columns = exact_divide(height, r), exact_divide(width, r)
    n = len(batch)
    parted = b.reshape(x, (*batch, channels, rows, r, columns, r))
    moved = b.transpose(parted, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return b.reshape(moved, (*batch, channels * r * r, rows, columns))


def depth_to_space(b: Builder, x: Tensor, r: int) -> Tensor:
    """``(B, r²·C, H, W)`` gives ``(B, C, H·r, W·r)``: the channels of one place stand apart from each other."""
    batch, channels, height, width = x.shape
    inner = exact_divide(channels, r * r)
    parted = b.reshape(x, (batch, r, r, inner, height, width))
    return b.reshape(b.transpose(parted, (0, 3, 4, 1, 5, 2)), (batch, inner, height * r, width * r))


def space_to_depth(b: Builder, x: Tensor, r: int) -> Tensor:
    """``(B, C, H·r, W·r)`` gives ``(B, r²·C, H, W)``, the reverse of :func:`depth_to_space`."""
    batch, channels, height, width = x.shape
    rows, columns = exact_divide(height, r), exact_divide(width, r)
    parted = b.reshape(x, (batch, channels, rows, r, columns, r))
    return b.reshape(b.transpose(parted, (0, 3, 5, 1, 2, 4)), (batch, channels * r * r, rows, columns))


def channel_shuffle(b: Builder, x: Tensor, groups: int) -> Tensor:
    """``(B, g·C, …)``: group by group becomes channel by channel."""
    parted = b.reshape(x, (x.shape[0], groups, exact_divide(x.shape[1], groups), *x.shape[2:]))
    return b.reshape(b.transpose(parted, (0, 2, 1, *range(3, parted.rank))), x.shape)


def rot90(b: Builder, x: Tensor, turns: int, axes: tuple[int, int]) -> Tensor:
    """Rotation by 90° per turn, from the first axis towards the second: a flip and two axes exchanged."""
    first, second = axes
    if turns % 2 == 0:
        return b.emit(ops.Flip((first, second)), x) if turns % 4 else b.map("identity", x)
    order = list(range(x.rank))
    order[first], order[second] = second, first
    if turns % 4 == 1:
        return b.transpose(b.emit(ops.Flip((second,)), x), order)
    return b.emit(ops.Flip((second,)), b.transpose(x, order))


def roll(b: Builder, x: Tensor, shift: int, axis: int) -> Tensor:
    """The axis cut in two and the halves exchanged."""
    first = x.shape[axis] - shift % x.shape[axis]
    if first in (0, x.shape[axis]):
        return x
    head, tail = b.emit_many(ops.Split(axis, (first, x.shape[axis] - first)), x)
    return b.emit(ops.Concat(axis), tail, head)


def tile(b: Builder, x: Tensor, times: Sequence[Dim]) -> Tensor:
    """``x`` repeated along each axis as a whole, ``times`` of them; missing axes lead."""
    shape = (*(1,) * (len(times) - x.rank), *x.shape)
    inner = tuple(dim for size in shape for dim in (1, size))
    outer = tuple(dim for time, size in zip(times, shape, strict=True) for dim in (time, size))
    whole = b.broadcast(b.reshape(x, inner), outer)
    return b.reshape(whole, tuple(t * s for t, s in zip(times, shape, strict=True)))


def diagonal_matrices(b: Builder, x: Tensor, offset: int = 0) -> Tensor:
    """``(…, n)`` on the diagonal ``offset`` above the main one: n zeros behind each element, cut into rows of n."""
    *batch, n = x.shape
    none, k = (0,) * len(batch), abs(offset)
    flat = b.reshape(b.pad(b.unsqueeze(x, x.rank), x.rank, 0, n), (*batch, n * (n + 1)))
    square = b.reshape(b.pad(flat, x.rank - 1, 0, -n), (*batch, n, n))
    if offset == 0:
        return square
    before, after = ((0, k), (k, 0)) if offset > 0 else ((k, 0), (0, k))
    return b.emit(ops.Pad((*none, *before), (*none, *after)), square)


def diagonal(b: Builder, x: Tensor) -> Tensor:
    """``(n, m)`` gives its diagonal: every (m+1)-th element."""
    rows, columns = x.shape
    flat = b.emit(ops.Stride(0, columns + 1), b.reshape(x, (x.elements,)))
    count = min(rows, columns)
    return flat if flat.shape[0] == count else b.emit_many(ops.Split(0, (count, flat.shape[0] - count)), flat)[0]
