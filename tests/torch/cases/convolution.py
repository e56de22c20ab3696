"""Convolutions: each output is a sum over channels of its group and all taps; padding taps count."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.torch.cases.case import Behind, Case, Learned, random

KINDS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
Ints = tuple[int, ...]


def positions(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """Outputs along each axis: ⌊(n + 2p − d·(k−1) − 1)/s⌋ + 1."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def conv(
    name: str,
    batch: int,
    channels: tuple[int, int],
    size: Ints,
    kernel: Ints,
    *,
    stride: Ints | None = None,
    padding: Ints | str | None = None,
    dilation: Ints | None = None,
    groups: int = 1,
    bias: bool = True,
    behind: bool = False,
    **options: Any,
) -> Case:
    """B·P·(C/g)·M·K products; as many for the weight gradient and, behind something learned, for the input gradient."""
    dims, (c, m) = len(size), channels
    stride, dilation, padding = stride or (1,) * dims, dilation or (1,) * dims, padding or (0,) * dims
    out = size if padding == "same" else positions(size, kernel, stride, padding, dilation)  # type: ignore[arg-type]
    products = batch * prod(out) * (c // groups) * m * prod(kernel)
    weights, biases = m * (c // groups) * prod(kernel), m if bias else 0
    arguments = dict(stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias, **options)

    def build() -> nn.Module:
        layer = KINDS[dims](c, m, kernel, **arguments)
        return Behind(layer) if behind else layer

    return Case(
        name=name,
        build=build,
        inputs=random((batch, c, *size)),
        parameters=weights + biases + int(behind),
        weights=weights + int(behind),
        biases=biases,
        forward_macs=products,
        backward_macs=2 * products if behind else products,
        note=f"batch · {prod(out)} positions · C/groups · M · {prod(kernel)} taps; the weight gradient is as many"
        + (", the input gradient too (one learned factor lies below)." if behind else "; no input gradient."),
    )


def transposed(
    name: str,
    batch: int,
    channels: tuple[int, int],
    size: Ints,
    kernel: Ints,
    *,
    groups: int = 1,
    bias: bool = True,
    behind: bool = False,
    **options: Any,
) -> Case:
    """B·Q·C·(M/g)·K: every input position meets every tap, those cropped by the padding too."""
    dims, (c, m) = len(size), channels
    products = batch * prod(size) * c * (m // groups) * prod(kernel)
    weights, biases = c * (m // groups) * prod(kernel), m if bias else 0

    def build() -> nn.Module:
        layer = TRANSPOSED[dims](c, m, kernel, groups=groups, bias=bias, **options)
        return Behind(layer) if behind else layer

    return Case(
        name=name,
        build=build,
        inputs=random((batch, c, *size)),
        parameters=weights + biases + int(behind),
        weights=weights + int(behind),
        biases=biases,
        forward_macs=products,
        backward_macs=2 * products if behind else products,
        note="batch · input positions · C · M/groups · taps; stride, padding and output_padding change no product;"
        " weight gradient as many" + (", input gradient too." if behind else "; no input gradient."),
    )


class Separable(nn.Sequential):
    """Depthwise, pointwise."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.ReLU(), nn.Conv2d(6, 8, 1))


class Stack(nn.Sequential):
    """A small image classifier."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4 * 4, 10),
        )  # fmt: skip


class AsymmetricPad(nn.Sequential):
    """Unequal padding is a pad and a convolution without any."""

    def __init__(self) -> None:
        super().__init__(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(2, 3, 3, bias=False))


DEPTHWISE, POINTWISE = 2 * 8 * 8 * 6 * 9, 2 * 8 * 8 * 6 * 8
STACK_1, STACK_2, STACK_3 = 2 * 12 * 12 * 1 * 4 * 9, 2 * 4 * 4 * 4 * 6 * 9, 2 * 96 * 10
ASYMMETRIC = 2 * (6 + 3 - 2) * (6 + 3 - 2) * 2 * 3 * 9

CASES: tuple[Case, ...] = (
    conv("conv1d", 2, (3, 5), (11,), (3,)),
    conv(
        "conv1d_stride_padding_dilation_behind",
        2,
        (4, 6),
        (17,),
        (3,),
        stride=(2,),
        padding=(3,),
        dilation=(2,),
        behind=True,
    ),
    conv("conv1d_same", 2, (3, 5), (10,), (4,), padding="same"),
    conv("conv1d_causal_width", 1, (3, 3), (9,), (2,), padding=(1,), behind=True),
    conv("conv2d", 2, (3, 4), (8, 8), (3, 3)),
    conv("conv2d_behind", 2, (3, 4), (8, 8), (3, 3), behind=True),
    conv("conv2d_no_bias_strided", 2, (3, 4), (9, 7), (3, 2), stride=(2, 3), padding=(1, 0), bias=False),
    conv("conv2d_same_dilated", 1, (2, 4), (9, 9), (3, 4), padding="same", dilation=(2, 1)),
    conv("conv2d_groups", 2, (6, 4), (7, 7), (3, 3), groups=2, padding=(1, 1)),
    conv("conv2d_groups_behind", 2, (6, 4), (7, 7), (3, 3), groups=2, padding=(1, 1), behind=True),
    conv("conv2d_depthwise_multiplier", 2, (3, 6), (8, 8), (3, 3), groups=3, stride=(2, 2), behind=True),
    conv("conv2d_pointwise", 2, (6, 4), (5, 5), (1, 1), behind=True),
    conv("conv2d_asymmetric_kernel_and_padding", 2, (2, 3), (6, 10), (1, 5), padding=(0, 2), dilation=(1, 2)),
    conv("conv2d_circular", 2, (2, 3), (6, 6), (3, 3), padding=(1, 2), padding_mode="circular"),
    conv("conv2d_reflect_behind", 2, (2, 3), (6, 6), (3, 3), padding=(2, 1), padding_mode="reflect", behind=True),
    conv("conv2d_replicate", 2, (2, 3), (6, 6), (3, 3), padding=(1, 1), padding_mode="replicate"),
    conv("conv3d", 1, (2, 3), (4, 5, 6), (2, 3, 3), padding=(0, 1, 1)),
    conv("conv3d_strided_groups_behind", 2, (4, 4), (5, 5, 5), (3, 3, 3), stride=(2, 1, 2), groups=4, behind=True),
    transposed("conv_transpose1d", 2, (4, 3), (7,), (4,), stride=2, padding=1),
    transposed("conv_transpose1d_behind", 2, (4, 3), (7,), (3,), stride=3, output_padding=2, behind=True),
    transposed("conv_transpose2d", 2, (4, 3), (5, 4), (3, 3), stride=2, padding=1, output_padding=1),
    transposed(
        "conv_transpose2d_groups_behind", 2, (4, 6), (5, 4), (3, 2), stride=2, groups=2, dilation=2, behind=True
    ),
    transposed("conv_transpose3d_no_bias_behind", 1, (2, 3), (3, 3, 3), (2, 2, 2), stride=2, bias=False, behind=True),
    Case(
        name="conv2d_unbatched",
        build=lambda: nn.Conv2d(3, 4, 3),
        inputs=random((3, 8, 8)),
        parameters=4 * 3 * 9 + 4,
        weights=4 * 3 * 9,
        biases=4,
        forward_macs=6 * 6 * 3 * 4 * 9,
        backward_macs=6 * 6 * 3 * 4 * 9,
        note="No batch axis: 6·6 positions · C · M · 9 taps.",
    ),
    Case(
        name="conv2d_zero_pad_unequal",
        build=AsymmetricPad,
        inputs=random((2, 2, 6, 6)),
        parameters=2 * 3 * 9,
        weights=2 * 3 * 9,
        biases=0,
        forward_macs=ASYMMETRIC,
        backward_macs=ASYMMETRIC,
        note="Padding (1, 2) and (0, 3): 6 + 3 − 2 = 7 positions along each axis; 2·7·7·C·M·9.",
    ),
    Case(
        name="conv2d_depthwise_separable",
        build=Separable,
        inputs=random((2, 6, 8, 8)),
        parameters=6 * 9 + 6 * 8 + 8,
        weights=6 * 9 + 6 * 8,
        biases=8,
        forward_macs=DEPTHWISE + POINTWISE,
        backward_macs=DEPTHWISE + 2 * POINTWISE,
        note="Depthwise 2·64·6·9, pointwise 2·64·6·8; backward: weights of both, input of the second.",
    ),
    Case(
        name="conv2d_classifier",
        build=Stack,
        inputs=random((2, 1, 12, 12)),
        parameters=(4 * 9 + 4) + 2 * 4 + (6 * 4 * 9 + 6) + (96 * 10 + 10),
        weights=4 * 9 + 4 + 6 * 4 * 9 + 96 * 10,
        biases=4 + 4 + 6 + 10,
        forward_macs=STACK_1 + STACK_2 + STACK_3,
        backward_macs=STACK_1 + 2 * STACK_2 + 2 * STACK_3,
        note="12·12 positions, pooled to 6·6, 4·4 positions, 96 features; the first layer has no input gradient.",
    ),
    Case(
        name="conv2d_functional_learned_kernel",
        build=lambda: Learned(lambda w, x: functional.conv2d(x, w, stride=2), (5, 3, 3, 3)),
        inputs=random((2, 3, 9, 9)),
        parameters=5 * 3 * 9,
        weights=5 * 3 * 9,
        biases=0,
        forward_macs=2 * 4 * 4 * 3 * 5 * 9,
        backward_macs=2 * 4 * 4 * 3 * 5 * 9,
        note="torch.nn.functional.conv2d with stride 2: 4·4 positions.",
    ),
    Case(
        name="conv1d_empty_batch",
        build=lambda: nn.Conv1d(2, 3, 3),
        inputs=lambda: (torch.zeros(0, 2, 8),),
        parameters=2 * 3 * 3 + 3,
        weights=2 * 3 * 3,
        biases=3,
        forward_macs=0,
        backward_macs=0,
        note="A batch of none multiplies nothing.",
    ),
)
