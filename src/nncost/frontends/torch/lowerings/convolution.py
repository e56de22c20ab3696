"""Convolutions, windows as columns, padding, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

from nncost.frontends.torch.lowerings.gradient import Forward, Make, composite, composite_gradient, gradient
from nncost.frontends.torch.lowerings.operands import batched, several
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.autodiff import slice_adjoint
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.library.borders import Border, pad_with_border
from nncost.ir.library.conv import conv, conv_transpose
from nncost.ir.library.im2col import col2im, im2col
from nncost.records import replace


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
    examples, bias = batched(call.builder, x, weight.rank), call.get("bias")
    y = _convolution(call, weight.rank - 2)(call.builder, examples, weight, bias)
    region = call.builder.items[-1]
    if isinstance(region, Region):  # a call has the neurons of all its examples
        call.builder.items[-1] = replace(region, neurons=region.neurons * examples.shape[0])
    return call.builder.reshape(y, call.shape)


def _time_first(call: Call) -> Forward:
    """A convolution whose axes are time, batch, channels; the weight's are taps, in, out."""
    width = call.get("pad", 0)

    def apply(b: Builder, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        turned = b.transpose(x, (1, 2, 0)), b.transpose(weight, (2, 1, 0))
        y = conv(b, *turned, bias, stride=(1,), padding=[(width, width)], dilation=(1,))
        return b.transpose(y, (2, 0, 1))

    return apply


lowers("aten::conv_tbc")(composite(_time_first, "self", "weight", "bias"))


@lowers("aten::convolution_backward")
def _backward(call: Call) -> Lowered:
    """Gradients of input, weight and bias, each if the mask asks for it; groups and padding as in the forward pass."""
    b, x, weight, g = call.builder, call.tensor("input"), call.tensor("weight"), call.tensor("grad_output")
    want_input, want_weight, want_bias = (bool(flag) for flag in call["output_mask"])
    forward = _convolution(call, weight.rank - 2)
    bias = b.full((_channels_out(call, weight),), 0.0, x.dtype) if want_bias else None
    operands, seed = (batched(b, x, weight.rank), weight, bias), batched(b, g, weight.rank)
    return gradient(b, forward, operands, seed, (want_input, want_weight, want_bias))


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
    return slice_adjoint(b, b.unsqueeze(g, axis), axis, shape[axis], call["index"] % shape[axis])


@lowers("aten::slice_backward")
def _slice_backward(call: Call) -> Tensor:
    """A piece among zeros; with a step, zeros between its elements too."""
    g, shape, start = call.tensor("grad_output"), call["input_sizes"], call.get("start", 0)
    axis = call["dim"] % len(shape)
    start = start + shape[axis] if start < 0 else start
    return slice_adjoint(call.builder, g, axis, shape[axis], start, call.get("step", 1))


@lowers("aten::unfold_backward")
def _unfold_backward(call: Call) -> Tensor:
    """Windows along one axis added up: one add per element."""
    g, shape = call.tensor("grad_in"), call["input_sizes"]
    axis = call["dim"] % max(len(shape), 1)
    return call.builder.emit(ops.Fold((axis,), (shape[axis],), (call["step"],), (1,)), g)


def _windows(call: Call) -> dict[str, tuple[int, ...]]:
    named = {"kernel": "kernel_size", "stride": "stride", "padding": "padding", "dilation": "dilation"}
    return {name: several(call[argument], 2) for name, argument in named.items()}


@lowers("aten::im2col")
def _im2col(call: Call) -> Tensor:
    b, x = call.builder, call.tensor("self")
    return b.reshape(im2col(b, batched(b, x, 4), **_windows(call)), call.shape)


@lowers("aten::col2im")
def _col2im(call: Call) -> Tensor:
    b, x = call.builder, call.tensor("self")
    windows = _windows(call)
    padding = [(width, width) for width in windows.pop("padding")]
    folded = col2im(b, batched(b, x, 3), call["output_size"], padding=padding, **windows)
    return b.reshape(folded, call.shape)


def _padded(mode: Border) -> Make:
    def make(call: Call) -> Forward:
        flat = call["padding" if "padding" in call.arguments else "pad"]
        widths = [*zip(flat[::2], flat[1::2], strict=True)][::-1]  # PyTorch names the last axis first
        return lambda b, x: pad_with_border(b, x, widths, mode)

    return make


_BORDERS: tuple[tuple[str, Border], ...] = (("reflection", "reflect"), ("replication", "replicate"))
for _prefix, _mode in _BORDERS:
    for _dims in "123":
        lowers(f"aten::{_prefix}_pad{_dims}d")(composite(_padded(_mode), "self"))
        lowers(f"aten::{_prefix}_pad{_dims}d_backward")(composite_gradient(_padded(_mode), "self"))
lowers("aten::_pad_circular")(composite(_padded("circular"), "self"))
