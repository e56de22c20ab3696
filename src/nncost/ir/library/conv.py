"""Convolutions in one, two or three dimensions, and their transposes.

A convolution is a padded window view contracted with its kernels, so that its gradients are the
contractions and the Fold that differentiation derives, grouped or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide, is_symbolic, product, shape_text
from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Conv, ConvTranspose

_POSITIONS, _TAPS = "xyz", "uvw"


def conv(
    b: Builder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[Dim, Dim]],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """``(B, C, *spatial) → (B, M, *positions)`` with ``weight`` (M, C/groups, *kernel), ``bias`` (M,).

    For each output: C/groups·∏kernel mul and, with bias, as many add. ``padding`` holds the widths
    before and after each spatial axis.
    """
    dims = x.rank - 2
    channels_out, channels_in, *kernel = weight.shape
    _check(x, weight, groups, dims)
    inputs = (x, weight) if bias is None else (x, weight, bias)
    layer = Conv(tuple(stride), tuple(padding), tuple(dilation), groups)
    with b.region(layer, *inputs) as region:
        window = ops.Window(tuple(range(2, 2 + dims)), tuple(kernel), layer.strides, layer.dilations)
        taps = b.emit(window, pad_spatial(b, x, padding))
        positions = taps.shape[2 : 2 + dims]
        outer, inner = _POSITIONS[:dims], _TAPS[:dims]
        if groups == 1:
            y = b.contract(f"bc{outer}{inner},oc{inner}->bo{outer}", taps, weight)
        else:
            group_out = exact_divide(channels_out, groups)
            grouped = b.reshape(taps, (x.shape[0], groups, channels_in, *taps.shape[2:]))
            kernels = b.reshape(weight, (groups, group_out, channels_in, *kernel))
            y = b.contract(f"bgc{outer}{inner},goc{inner}->bgo{outer}", grouped, kernels)
            y = b.reshape(y, (x.shape[0], channels_out, *positions))
        region.returns(_with_bias(b, y, bias))
        region.neurons = product(region.outputs[0].shape[1:])
    return region.outputs[0]


def conv_transpose(
    b: Builder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[Dim, Dim]],
    dilation: Sequence[int],
    output_padding: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """``(B, C, *spatial) → (B, M, *larger)`` with ``weight`` (C, M/groups, *kernel).

    Each input element spreads over all its taps: C·M/groups·∏kernel mul per input position,
    and one addition per tap folded into the output.
    """
    dims = x.rank - 2
    channels, group_out, *kernel = weight.shape
    if not is_symbolic(channels) and channels != x.shape[1]:
        raise ShapeError(f"a transposed convolution of {channels} channels received {shape_text(x.shape)}")
    channels_out = group_out * groups
    inputs = (x, weight) if bias is None else (x, weight, bias)
    crop = tuple((low, high - extra) for (low, high), extra in zip(padding, output_padding, strict=True))
    with b.region(ConvTranspose(tuple(stride), crop, tuple(dilation), groups), *inputs) as region:
        outer, inner = _POSITIONS[:dims], _TAPS[:dims]
        group_in = exact_divide(channels, groups)
        if groups == 1:
            taps = b.contract(f"bc{outer},co{inner}->bo{outer}{inner}", x, weight)
        else:
            grouped = b.reshape(x, (x.shape[0], groups, group_in, *x.shape[2:]))
            kernels = b.reshape(weight, (groups, group_in, group_out, *kernel))
            taps = b.contract(f"bgc{outer},gco{inner}->bgo{outer}{inner}", grouped, kernels)
            taps = b.reshape(taps, (x.shape[0], channels_out, *x.shape[2:], *kernel))
        lengths = tuple(
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True)
        )
        y = b.emit(ops.Fold(tuple(range(2, 2 + dims)), lengths, tuple(stride), tuple(dilation)), taps)
        region.returns(_with_bias(b, pad_spatial(b, y, [(-low, -high) for low, high in crop]), bias))
        region.neurons = product(region.outputs[0].shape[1:])
    return region.outputs[0]


def pad_spatial(b: Builder, x: Tensor, widths: Sequence[tuple[Dim, Dim]], value: float = 0.0) -> Tensor:
    """The spatial axes (all but the first two) padded; ``x`` itself if all widths are zero."""
    if all(width == 0 for pair in widths for width in pair):
        return x
    before, after = zip(*widths, strict=True)
    return b.emit(ops.Pad((0, 0, *before), (0, 0, *after), value), x)


def _with_bias(b: Builder, y: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return y
    return b.map("add", y, b.reshape(bias, (*bias.shape, *(1,) * (y.rank - 2))))


def _check(x: Tensor, weight: Tensor, groups: int, dims: int) -> None:
    channels_out, channels_in, *kernel = weight.shape
    if len(kernel) != dims or not 1 <= dims <= len(_POSITIONS):
        raise ShapeError(f"a convolution with kernel {shape_text(tuple(kernel))} received {shape_text(x.shape)}")
    if any(is_symbolic(dim) for dim in (x.shape[1], channels_in, channels_out)):
        return
    if channels_in * groups != x.shape[1] or channels_out % groups:
        raise ShapeError(
            f"a convolution from {channels_in * groups} to {channels_out} channels in {groups} groups "
            f"received {shape_text(x.shape)}",
            hint="Groups must divide the input channels and the output channels.",
        )
