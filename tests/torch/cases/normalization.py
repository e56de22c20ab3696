"""Norms, activations, pooling, resampling, reshaping: multiplications, but no contraction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.cases.case import Case, Function, random

B, C, H, W = 2, 6, 8, 8
Shape = tuple[int, ...]


def norm(name: str, build: Callable[[], nn.Module], shape: Shape, weights: int, biases: int, note: str = "") -> Case:
    trained = weights + biases
    return Case(
        name=name,
        build=build,
        inputs=random(shape),
        parameters=trained,
        weights=weights,
        biases=biases,
        forward_macs=0,
        backward_macs=0,
        note="Means, squares and scales are elementwise or sums: 0. " + note,
    )


def still(
    name: str, function: Callable[..., Any], *shapes: Shape, note: str = "Elementwise, sums or moves: 0."
) -> Case:
    return Case(
        name=name,
        build=lambda: Function(function),
        inputs=random(*shapes),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=0,
        backward_macs=0,
        note=note,
    )


ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh, nn.Softplus,
    nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.LogSigmoid,
    nn.GLU, nn.Identity, nn.RReLU, lambda: nn.Softmax(-1), lambda: nn.LogSoftmax(-1), lambda: nn.Softmin(-1),
    lambda: nn.Threshold(0.1, 0.0), lambda: nn.GELU(approximate="tanh"), lambda: nn.Dropout(0.5),
)  # fmt: skip


class EveryActivation(nn.Module):
    """A dense layer, then every activation there is, their outputs concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(C, 4)
        self.prelu = nn.PReLU(4)
        self.activations = nn.ModuleList(activation() for activation in ACTIVATIONS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense(x)
        return torch.cat([self.prelu(x), *[activation(x) for activation in self.activations]], dim=-1)


class EveryPool(nn.Module):
    """A pointwise convolution, then every pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(C, C, 1)
        self.pools = nn.ModuleList(
            [
                nn.MaxPool2d(2), nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), nn.AvgPool2d(2),
                nn.AvgPool2d(3, count_include_pad=False, padding=1), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(3),
                nn.LPPool2d(2, 2), nn.FractionalMaxPool2d(2, output_size=4),
            ]
        )  # fmt: skip

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.mix(x)
        return [pool(x) for pool in self.pools]


class UNetStep(nn.Module):
    """Down, up by bilinear interpolation, concatenation, and two 1×1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(C, C, 1, bias=False), nn.Conv2d(2 * C, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        small = functional.avg_pool2d(x, 2)
        large = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        return self.second(torch.cat([x, large], dim=1))


class Patches(nn.Module):
    """Convolution as unfold, dense, fold (patches that do not overlap)."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(C * 4, C * 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        patches = functional.unfold(x, 2, stride=2).transpose(1, 2)
        return functional.fold(self.dense(patches).transpose(1, 2), (H, W), 2, stride=2)


def space_to_depth(x: Tensor) -> Tensor:
    """b c (h 2) (w 2) -> b (c 2 2) h w, in the manner of einops."""
    return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def warped(x: Tensor) -> Tensor:
    matrices = torch.eye(2, 3) + x.mean((1, 2, 3))[:, None, None]
    grid = functional.affine_grid(matrices, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


BASE_GRID = B * H * W * 3 * 2
PIXELS = B * H * W

CASES: tuple[Case, ...] = (
    norm("batch_norm_1d", lambda: nn.BatchNorm1d(C), (B, C), C, C, "The running statistics are buffers."),
    norm("batch_norm_2d", lambda: nn.BatchNorm2d(C), (B, C, H, W), C, C),
    norm("batch_norm_3d_eval", lambda: nn.BatchNorm3d(C).eval(), (B, C, 2, H, W), C, C),
    norm("batch_norm_no_affine", lambda: nn.BatchNorm2d(C, affine=False), (B, C, H, W), 0, 0, "Nothing is learned."),
    norm("layer_norm", lambda: nn.LayerNorm((H, W)), (B, C, H, W), H * W, H * W),
    norm("layer_norm_no_bias", lambda: nn.LayerNorm(W, bias=False), (B, C, H, W), W, 0),
    norm("rms_norm", lambda: nn.RMSNorm(W), (B, C, H, W), W, 0),
    norm("group_norm", lambda: nn.GroupNorm(3, C), (B, C, H, W), C, C),
    norm("instance_norm", lambda: nn.InstanceNorm2d(C, affine=True), (B, C, H, W), C, C),
    norm("local_response_norm", lambda: nn.LocalResponseNorm(3), (B, C, H, W), 0, 0),
    Case(
        name="every_activation",
        build=EveryActivation,
        inputs=random((B, C)),
        parameters=C * 4 + 4 + 4,
        weights=None,
        biases=None,
        forward_macs=B * C * 4,
        backward_macs=B * C * 4,
        note="The dense layer B·C·4 and its weight gradient; activations have no contraction. PReLU's four slopes multiply.",
    ),
    Case(
        name="every_pooling",
        build=EveryPool,
        inputs=random((B, C, H, W)),
        parameters=C * C + C,
        weights=C * C,
        biases=C,
        forward_macs=PIXELS * C * C,
        backward_macs=PIXELS * C * C,
        note="The pointwise convolution B·H·W·C·C; pooling adds or compares.",
    ),
    Case(
        name="interpolate_between_convolutions",
        build=UNetStep,
        inputs=random((B, C, H, W)),
        parameters=C * C + 2 * C * 3,
        weights=C * C + 2 * C * 3,
        biases=0,
        forward_macs=PIXELS * (C * C + 2 * C * 3),
        backward_macs=PIXELS * (C * C + 2 * 2 * C * 3),
        note="B·H·W·(C·C + 2C·3); interpolation is no contraction; backward: weights of both, input of the second.",
    ),
    Case(
        name="unfold_dense_fold",
        build=Patches,
        inputs=random((B, C, H, W)),
        parameters=(C * 4) ** 2,
        weights=(C * 4) ** 2,
        biases=0,
        forward_macs=B * (H // 2) * (W // 2) * (C * 4) ** 2,
        backward_macs=B * (H // 2) * (W // 2) * (C * 4) ** 2,
        note="16 patches of 4·C values each, by a (4C)² matrix; unfold moves, fold adds.",
    ),
    still("pixel_shuffle", lambda x: functional.pixel_shuffle(x.repeat(1, 2, 1, 1), 2), (B, C, H, W)),
    still("reshapes_like_einops", space_to_depth, (B, C, H, W)),
    still("interpolate_bicubic", lambda x: functional.interpolate(x, size=(5, 11), mode="bicubic"), (B, C, H, W),
          note="Sixteen neighbours are weighted, but not by a contraction of tensors: 0."),
    still("interpolate_nearest", lambda x: functional.interpolate(x, scale_factor=2), (B, C, H, W)),
    still("upsample_trilinear", lambda x: functional.interpolate(x, scale_factor=2, mode="trilinear"), (B, C, 2, 4, 4)),
    still("grid_sample", lambda x, grid: functional.grid_sample(x, grid, align_corners=False), (B, C, H, W), (B, 5, 5, 2)),
    Case(
        name="affine_grid_and_sample",
        build=lambda: Function(warped),
        inputs=random((B, C, H, W)),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=BASE_GRID,
        backward_macs=0,
        forward_readings=(0,),
        note="affine_grid multiplies each (x, y, 1) by a 2×3 matrix: B·H·W·3·2; sampling is no contraction. Read as making"
        " coordinates elementwise it is 0.",
    ),
    still("cumulative_and_sort", lambda x: (x.cumsum(-1), x.cumprod(-1), x.sort(-1), x.topk(2)), (B, C)),
    still("losses", lambda x, y: (functional.mse_loss(x, y), functional.cross_entropy(x, y.softmax(-1)),
                                  functional.huber_loss(x, y), functional.kl_div(x.log_softmax(-1), y.softmax(-1),
                                                                                reduction="batchmean")), (B, C), (B, C)),
    still("scatter_and_gather", lambda x: x.scatter_add(1, x.argsort(1), x).gather(1, x.argsort(1)), (B, C)),
    still("variance_and_norm", lambda x: (x.var(-1), torch.linalg.vector_norm(x, dim=-1), x.pow(2).sum()), (B, C),
          note="Sums of squares are elementwise squares and sums: 0."),
)  # fmt: skip
