"""Elements in another order: pixels, channels, quarter turns, diagonals. Moves alone."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::pixel_shuffle")
def _pixel_shuffle(call: Call) -> Tensor:
    """``(…, C·r², H, W) → (…, C, H·r, W·r)``."""
    b, x, r = call.builder, call.tensor("self"), call["upscale_factor"]
    *batch, channels, height, width = x.shape
    parted = b.reshape(x, (*batch, channels // (r * r), r, r, height, width))
    n = len(batch)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return b.reshape(b.transpose(parted, order), call.outputs[0][0])


@lowers("aten::pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> Tensor:
    """``(…, C, H·r, W·r) → (…, C·r², H, W)``."""
    b, x, r = call.builder, call.tensor("self"), call["downscale_factor"]
    *batch, channels, height, width = x.shape
    parted = b.reshape(x, (*batch, channels, height // r, r, width // r, r))
    n = len(batch)
    return b.reshape(b.transpose(parted, (*range(n), n, n + 2, n + 4, n + 1, n + 3)), call.outputs[0][0])


@lowers("aten::channel_shuffle", "aten::native_channel_shuffle")
def _channel_shuffle(call: Call) -> Tensor:
    """``(B, g·C, …)``: group by group becomes channel by channel."""
    b, x, groups = call.builder, call.tensor("self"), call["groups"]
    parted = b.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return b.reshape(b.transpose(parted, (0, 2, 1, *range(3, parted.rank))), x.shape)


@lowers("aten::rot90")
def _rot90(call: Call) -> Tensor:
    """Quarter turns: a flip and two axes exchanged."""
    b, x, turns = call.builder, call.tensor("self"), call.get("k", 1) % 4
    first, second = (axis % x.rank for axis in call.get("dims", (0, 1)))
    if turns in (0, 2):
        return b.emit(ops.Flip((first, second)), x) if turns else b.map("identity", x)
    order = list(range(x.rank))
    order[first], order[second] = second, first
    if turns == 1:
        return b.transpose(b.emit(ops.Flip((second,)), x), order)
    return b.emit(ops.Flip((second,)), b.transpose(x, order))


@lowers("aten::diag_embed")
def _diag_embed(call: Call) -> Tensor:
    """A diagonal among zeros: n zeros behind each element, cut into rows of n."""
    b, x, offset = call.builder, call.tensor("self"), call.get("offset", 0)
    rank = x.rank + 1
    first, second = call.get("dim1", -2) % rank, call.get("dim2", -1) % rank
    square = _padded_square(b, _diagonal(b, x), offset)
    order = [axis for axis in range(rank) if axis not in (first, second)]
    places = {axis: place for place, axis in enumerate([*order, first, second])}
    return b.transpose(square, [places[axis] for axis in range(rank)])


def _diagonal(b: Builder, x: Tensor) -> Tensor:
    """``(…, n) → (…, n, n)``."""
    *batch, n = x.shape
    none = (0,) * len(batch)
    spread = b.emit(ops.Pad((*none, 0, 0), (*none, 0, n)), b.reshape(x, (*batch, n, 1)))
    flat = b.reshape(spread, (*batch, n * (n + 1)))
    return b.reshape(b.emit(ops.Pad((*none, 0), (*none, -n)), flat), (*batch, n, n))


def _padded_square(b: Builder, x: Tensor, offset: int) -> Tensor:
    """The diagonal above (or below) the main one."""
    if offset == 0:
        return x
    none, k = (0,) * (x.rank - 2), abs(offset)
    before, after = ((0, k), (k, 0)) if offset > 0 else ((k, 0), (0, k))
    return b.emit(ops.Pad((*none, *before), (*none, *after)), x)
