"""Adjoints of views, and windows as columns."""

from __future__ import annotations

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.operands import several
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.conv import pad


@lowers("aten::select_backward")
def _select_backward(call: Call) -> Tensor:
    """One slice among zeros."""
    b, g, shape = call.builder, call.tensor("grad_output"), call["input_sizes"]
    axis = call["dim"] % len(shape)
    place = call["index"] % shape[axis]
    lifted = b.reshape(g, (*g.shape[:axis], 1, *g.shape[axis:]))
    return _among_zeros(b, lifted, axis, place, shape[axis] - place - 1)


@lowers("aten::slice_backward")
def _slice_backward(call: Call) -> Tensor:
    """A piece among zeros; with a step, zeros between its elements too."""
    b, g, shape = call.builder, call.tensor("grad_output"), call["input_sizes"]
    axis, step = call["dim"] % len(shape), call.get("step", 1)
    start = call.get("start", 0)
    start = start + shape[axis] if start < 0 else start
    if g.shape[axis] and step != 1:
        lifted = b.reshape(g, (*g.shape[: axis + 1], 1, *g.shape[axis + 1 :]))
        spread = _among_zeros(b, lifted, axis + 1, 0, step - 1)
        g = b.reshape(spread, (*g.shape[:axis], g.shape[axis] * step, *g.shape[axis + 1 :]))
    return _among_zeros(b, g, axis, start, shape[axis] - start - g.shape[axis])


def _among_zeros(b: Builder, x: Tensor, axis: int, before: Dim, after: Dim) -> Tensor:
    none = (0,) * x.rank
    return b.emit(ops.Pad((*none[:axis], before, *none[axis + 1 :]), (*none[:axis], after, *none[axis + 1 :])), x)


@lowers("aten::unfold_backward")
def _unfold_backward(call: Call) -> Tensor:
    """Windows along one axis added up: one add for each element."""
    b, g, shape = call.builder, call.tensor("grad_in"), call["input_sizes"]
    axis = call["dim"] % max(len(shape), 1)
    return b.emit(ops.Fold((axis,), (shape[axis],), (call["step"],), (1,)), g)


@lowers("aten::im2col")
def _im2col(call: Call) -> Tensor:
    """Padded windows as columns."""
    b, x = call.builder, call.tensor("self")
    batched = x if x.rank == 4 else b.reshape(x, (1, *x.shape))
    kernel, dilation, padding, stride = (several(call[n], 2) for n in ("kernel_size", "dilation", "padding", "stride"))
    taps = b.emit(ops.Window((2, 3), kernel, stride, dilation), pad(b, batched, [(w, w) for w in padding]))
    return b.reshape(b.transpose(taps, (0, 1, 4, 5, 2, 3)), call.outputs[0][0])


@lowers("aten::col2im")
def _col2im(call: Call) -> Tensor:
    """Columns added where they overlap: one add for each element."""
    b, x, size = call.builder, call.tensor("self"), call["output_size"]
    kernel, dilation, padding, stride = (several(call[n], 2) for n in ("kernel_size", "dilation", "padding", "stride"))
    wide = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    counts = [(n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(wide, dilation, kernel, stride, strict=True)]
    batch = x.shape[0] if x.rank == 3 else 1
    channels = x.shape[-2] // (kernel[0] * kernel[1])
    taps = b.transpose(b.reshape(x, (batch, channels, *kernel, *counts)), (0, 1, 4, 5, 2, 3))
    whole = b.emit(ops.Fold((2, 3), tuple(wide), stride, dilation), taps)
    return b.reshape(pad(b, whole, [(-w, -w) for w in padding]), call.outputs[0][0])
