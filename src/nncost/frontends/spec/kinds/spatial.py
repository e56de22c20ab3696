"""Convolutions, and what layers on images share: axes, kernels, padding."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from nncost.dims import Dim, exact_divide, is_symbolic, shape_text
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.layers import Context, layer, needs
from nncost.frontends.spec.sizes import number_or_none
from nncost.ir.graph import Tensor
from nncost.ir.library import conv
from nncost.ir.library.windows import halves, same_padding
from nncost.names import nearest

NO_PADDING = ("valid", "none", "no")
"""What no padding is called elsewhere."""
IMAGE = "CxL, CxHxW or CxDxHxW"


def image(a: Arguments, x: Tensor, context: Context) -> int:
    """Return the number of spatial axes. Raise SpecError for an input that is no image."""
    needs(a, x, (3, 4, 5), IMAGE, context)
    return x.rank - 2


def kernel_sizes(a: Arguments, axes: int, example: str) -> list[Dim]:
    """The kernel's size on each axis; a single one stands for all."""
    word = a.required("kernel", example)
    sizes = list(a.sizes.shape(word, "KERNEL"))
    if len(sizes) == 1:
        return sizes * axes
    if len(sizes) != axes:
        meant = "x".join(word.text.split("x")[:axes]) if len(sizes) > axes else None
        raise a.sizes.error(f"the kernel has {len(sizes)} sizes for {axes} spatial axes", word, meant=meant)
    return sizes


def padding_widths(
    a: Arguments, x: Tensor, kernel: Sequence[Dim], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[Dim, Dim]]:
    """``pad=1``, ``pad=1x2`` or ``pad=same`` (output = ⌈input/stride⌉, the odd element behind)."""
    axes = len(kernel)
    word = a.word("pad")
    if word is not None and word.text.lower() in NO_PADDING:
        return [(0, 0)] * axes
    if word is not None and word.text.isalpha() and word.text not in a.sizes.bindings and word.text.lower() != "same":
        close = nearest(word.text, ("same", "valid"))
        raise a.sizes.error(
            f"pad must be a whole number, received {word.text!r}", word,
            hint="Accepted: a number, one for each axis (1x2), same or valid.", meant=close,
        )  # fmt: skip
    if word is None or word.text.lower() != "same":
        return [(width, width) for width in a.per_axis("pad", axes, 0, minimum=0)]
    widths: list[tuple[Dim, Dim]] = []
    for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        total = same_padding(n, d * (k - 1) + 1, s)
        if total is None:
            raise a.sizes.error("pad=same with a symbolic size and a stride above 1 has no closed form", word)
        widths.append(halves(total))
    return widths


@layer(
    "conv",
    ["out", "kernel"],
    ["stride", "pad", "dilation", "groups", "bias"],
    examples=["CxN, conv M K", "2x8x8, conv 4 3x3 pad=1 groups=2"],
)
def _conv(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """OUT feature maps by kernels of K, KxK or KxKxK."""
    example = "conv 16 3x3 pad=1"
    axes, out = image(a, x, c), a.size("out", example)
    kernel, groups = kernel_sizes(a, axes, example), a.integer("groups", 1)
    stride, dilation = a.per_axis("stride", axes, 1), a.per_axis("dilation", axes, 1)
    _check_groups(c, a, groups, x.shape[1], out)
    channels = x.shape[1] if groups == 1 else exact_divide(x.shape[1], groups)
    weight = c.builder.parameter((out, channels, *kernel), "weight", "weight")
    bias = c.builder.parameter((out,), "bias", "bias") if a.yes_or_no("bias", True) else None
    padding = padding_widths(a, x, kernel, stride, dilation)
    return conv.conv(c.builder, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _check_groups(c: Context, a: Arguments, groups: int, *channels: Dim) -> None:
    for count in channels:
        number = number_or_none(count)
        if number is not None and number % groups:
            message = f"groups={groups} does not divide {number} channels"
            raise c.sizes.error(message, a.word("groups") or a.layer.name, meant=str(gcd(groups, number)))


@layer(
    "conv_transpose",
    ["out", "kernel"],
    ["stride", "pad", "output_pad", "dilation", "groups", "bias"],
    examples=["CxN, conv_transpose M K"],
)
def _conv_transpose(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """A transposed convolution: OUT larger feature maps."""
    example = "conv_transpose 16 2x2 stride=2"
    axes, out = image(a, x, c), a.size("out", example)
    kernel, groups = kernel_sizes(a, axes, example), a.integer("groups", 1)
    stride, dilation = a.per_axis("stride", axes, 1), a.per_axis("dilation", axes, 1)
    _check_groups(c, a, groups, x.shape[1], out)
    weight = c.builder.parameter((x.shape[1], exact_divide(out, groups), *kernel), "weight", "weight")
    bias = c.builder.parameter((out,), "bias", "bias") if a.yes_or_no("bias", True) else None
    padding: list[tuple[Dim, Dim]] = [(w, w) for w in a.per_axis("pad", axes, 0, minimum=0)]
    extra = a.per_axis("output_pad", axes, 0, minimum=0)
    y = conv.conv_transpose(
        c.builder, x, weight, bias,
        stride=stride, padding=padding, dilation=dilation, output_padding=extra, groups=groups,
    )  # fmt: skip
    if any(not is_symbolic(n) and n < 1 for n in y.shape):
        raise c.sizes.error(
            f"pad= leaves nothing of the output: {shape_text(y.shape[1:])}", a.word("pad") or a.layer.name
        )
    return y
