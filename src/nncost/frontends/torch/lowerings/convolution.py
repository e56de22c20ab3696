"""Convolutions, windows as columns, padding, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import several
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.library.conv import conv, conv_transpose, pad


def _convolution(call: Call, dims: int) -> Callable[..., Tensor]:
    """The composite with the call's options: ``f(builder, x, weight, bias)``."""
    stride, padding = several(call["stride"], dims), several(call["padding"], dims)
    dilation, groups = several(call["dilation"], dims), call.get("groups", 1)
    sides = [(width, width) for width in padding]
    if call.get("transposed", False):
        more = several(call["output_padding"], dims)
        return lambda b, x, w, bias=None: conv_transpose(
            b, x, w, bias, stride=stride, padding=sides, dilation=dilation, output_padding=more, groups=groups
        )
    return lambda b, x, w, bias=None: conv(
        b, x, w, bias, stride=stride, padding=sides, dilation=dilation, groups=groups
    )


@lowers("aten::convolution", "aten::_convolution", "aten::convolution_overrideable")
def _forward(call: Call) -> Tensor:
    x, weight = call.tensor("input"), call.tensor("weight")
    batched, bias = _batched(call.builder, x, weight), call.get("bias")
    y = _convolution(call, weight.rank - 2)(call.builder, batched, weight, bias)
    region = call.builder.items[-1]
    if isinstance(region, Region):  # a call has the neurons of all its examples
        call.builder.items[-1] = replace(region, neurons=region.neurons * batched.shape[0])
    return call.builder.reshape(y, call.outputs[0][0])


def _batched(b: Builder, x: Tensor, weight: Tensor) -> Tensor:
    """One example gets a batch axis."""
    return x if x.rank == weight.rank else b.reshape(x, (1, *x.shape))


@lowers("aten::convolution_backward")
def _backward(call: Call) -> Lowered:
    """Gradients of input, weight and bias, each where the mask asks for it: groups and padding as in the forward."""
    b, x, weight, g = call.builder, call.tensor("input"), call.tensor("weight"), call.tensor("grad_output")
    want_input, want_weight, want_bias = (bool(flag) for flag in call["output_mask"])
    forward = _convolution(call, weight.rank - 2)
    bias = b.emit(ops.Constant("fill", (_channels_out(call, weight),), x.dtype, 0.0)) if want_bias else None
    return gradient(
        b, forward, (_batched(b, x, weight), weight, bias), _batched(b, g, weight), (want_input, want_weight, want_bias)
    )


def _channels_out(call: Call, weight: Tensor) -> int:
    transposed = call.get("transposed", False)
    channels = weight.shape[1] * call.get("groups", 1) if transposed else weight.shape[0]
    assert isinstance(channels, int)
    return channels


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


@lowers("aten::reflection_pad1d", "aten::reflection_pad2d", "aten::reflection_pad3d", "aten::replication_pad1d",
        "aten::replication_pad2d", "aten::replication_pad3d", "aten::_pad_circular")  # fmt: skip
def _mirrored(call: Call) -> Tensor:
    """Elements of the border again: each axis is taken at places known before the model runs."""
    return _padded_by_place(call)(call.builder, call.tensor("self"))


def _padded_by_place(call: Call) -> Callable[[Builder, Tensor], Tensor]:
    widths, mode = call["padding" if "padding" in call.arguments else "pad"], call.name

    def apply(b: Builder, x: Tensor) -> Tensor:
        for number in range(len(widths) // 2):
            axis = x.rank - 1 - number
            low, high, size = widths[2 * number], widths[2 * number + 1], x.shape[axis]
            index = ops.Constant("array", (low + size + high,), "int64", partial(_border, mode, low, size, high))
            x = b.emit(ops.Gather(axis), x, b.emit(index))
        return x

    return apply


def _border(mode: str, low: int, size: int, high: int) -> Any:
    import numpy as np

    places = np.arange(-low, size + high)
    if "replication" in mode:
        return places.clip(0, size - 1)
    if "circular" in mode:
        return places % size
    return size - 1 - np.abs(size - 1 - np.abs(places))


@lowers(
    "aten::reflection_pad1d_backward", "aten::reflection_pad2d_backward", "aten::reflection_pad3d_backward",
    "aten::replication_pad1d_backward", "aten::replication_pad2d_backward", "aten::replication_pad3d_backward",
)  # fmt: skip
def _mirrored_backward(call: Call) -> Lowered:
    """Each gradient is added to the element it came from: one add for each."""
    x = call.tensor("self")
    return gradient(call.builder, _padded_by_place(call), (x,), call.tensor("grad_output"), (True,))[0]
