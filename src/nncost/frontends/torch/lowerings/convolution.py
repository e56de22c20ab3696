"""Convolutions and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import several
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.library.conv import conv, conv_transpose


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
