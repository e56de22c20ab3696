"""Convolutions and transposed convolutions."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.frontends.onnx.windows import Padding, WindowSizes, split_padding, window_sizes
from nncost.ir.graph import Tensor
from nncost.ir.library import conv


def convolution_operands(call: Call) -> tuple[Tensor, Tensor, Tensor | None]:
    """The input, the kernels and the bias, which may be missing."""
    x = call.ranked(0, 3, 5)
    weight = call.ranked(1, x.rank, x.rank, "weight")
    bias = call.ranked(2, 1, 1, "bias") if call.has(2) else None
    return x, weight, bias


def groups_of(call: Call, channels: Dim) -> int:
    """The number of groups. Raise ShapeError if it does not divide the channels."""
    groups = call.attributes.integer("group", 1)
    if groups < 1 or (not is_symbolic(channels) and channels % groups):
        raise ShapeError(f"{groups} groups do not divide {channels} channels.")
    return groups


def _check_bias(bias: Tensor | None, channels: Dim) -> None:
    if bias is not None and not is_symbolic(bias.shape[0]) and bias.shape[0] != channels:
        raise ShapeError(f"a bias of {shape_text(bias.shape)} does not fit {channels} channels.")


@lowers("Conv")
def _conv(call: Call) -> Tensor:
    return convolved(call, *convolution_operands(call))


def convolved(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution by the attributes of a node, of its operands as they are now."""
    window = window_sizes(call, x.shape[2:], weight.shape[2:])
    _check_bias(bias, weight.shape[0])
    return conv.conv(
        call.builder, x, weight, bias, stride=window.strides, padding=window.padding,
        dilation=window.dilations, groups=groups_of(call, weight.shape[0]),
    )  # fmt: skip


@lowers("ConvTranspose")
def _conv_transpose(call: Call) -> Tensor:
    x, weight, bias = convolution_operands(call)
    groups = groups_of(call, weight.shape[0])
    _check_bias(bias, weight.shape[1] * groups)
    extra = call.attributes.integers("output_padding") or [0] * (x.rank - 2)
    if len(extra) != x.rank - 2 or min(extra) < 0:
        raise SourceError(f"output_padding must have {x.rank - 2} numbers of at least 0, received {extra}.")
    window, padding = _transposed_window(call, x, weight, extra)
    return conv.conv_transpose(
        call.builder, x, weight, bias, stride=window.strides, padding=padding,
        dilation=window.dilations, output_padding=extra, groups=groups,
    )  # fmt: skip


def _transposed_window(call: Call, x: Tensor, weight: Tensor, extra: list[int]) -> tuple[WindowSizes, Padding]:
    """The padding of a transposed convolution crops its output; it may be given by the output's shape."""
    window = window_sizes(call, x.shape[2:], weight.shape[2:])
    mode, wanted = call.attributes.text("auto_pad", "NOTSET"), call.attributes.integers("output_shape")
    full = [
        (n - 1) * s + e + d * (k - 1) + 1
        for n, s, e, d, k in zip(x.shape[2:], window.strides, extra, window.dilations, window.kernel, strict=True)
    ]
    if wanted is None and not mode.startswith("SAME"):
        padding = window.padding
    else:
        targets: list[Dim] = [n * s for n, s in zip(x.shape[2:], window.strides, strict=True)]
        if wanted is not None:
            targets = list(wanted)
        if any(is_symbolic(size) for size in (*full, *targets)):
            raise Unlowered("output_shape or auto_pad over a symbolic size")
        padding = [split_padding(have - want, mode) for have, want in zip(full, targets, strict=True)]
    sizes = [have - low - high for have, (low, high) in zip(full, padding, strict=True)]
    if any(not is_symbolic(size) and size < 1 for size in sizes):
        raise ShapeError(f"its padding leaves nothing of the output: {sizes}.")
    return window, padding
