"""Small modules whose costs are formulas in their sizes: each with inputs that name sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Case = tuple[Callable[[], nn.Module], Any]
IMAGES, BATCH_OF_IMAGES = ("B", 4, "H", "W"), ("B", 4, 16, 18)
SEQUENCES, TOKENS, ROWS = ("B", 4, "T"), ("B", "T", 8), ("B", 8)


class After(nn.Module):
    """A function of what a layer gives."""

    def __init__(self, layer: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x: torch.Tensor, *rest: torch.Tensor) -> Any:
        return self.function(self.layer(x), *rest)


class Of(nn.Module):
    """A function of a layer and its inputs."""

    def __init__(self, layer: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self.layer, *inputs)


class Experts(nn.Module):
    """Rows sorted by expert, each multiplied by its expert's matrix; with ``ends`` of the groups or in equal groups."""

    def __init__(self, *, ends: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 8, 16))
        self.register_buffer("ends", torch.tensor([8, 16], dtype=torch.int32) if ends else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.grouped_mm(x, self.weight, offs=self.ends)


def layers(*made: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*made)


def images(function: Callable[[torch.Tensor], Any]) -> Case:
    return lambda: After(nn.Conv2d(4, 4, 3, padding=1), function), IMAGES


def batch_of_images(function: Callable[[torch.Tensor], Any]) -> Case:
    return lambda: After(nn.Conv2d(4, 4, 3, padding=1), function), BATCH_OF_IMAGES


def tokens(function: Callable[[torch.Tensor], Any]) -> Case:
    return lambda: After(nn.Linear(8, 8), function), TOKENS


def rows(function: Callable[[torch.Tensor], Any]) -> Case:
    return lambda: After(nn.Linear(8, 8), function), ROWS


def resized(mode: str, **options: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda y: functional.interpolate(y, mode=mode, **options)


def windows(y: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = y.shape
    y = functional.pad(y, (0, -width % 4, 0, -height % 4))
    parts = y.view(batch, channels, y.shape[2] // 4, 4, y.shape[3] // 4, 4)
    return parts.permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, channels)


def rotated(x: torch.Tensor) -> torch.Tensor:
    angles = torch.outer(torch.arange(x.shape[1]).float(), 1e-4 ** (torch.arange(4).float() / 4))
    first, second = x[..., :4], x[..., 4:]
    return torch.cat([first * angles.cos() - second * angles.sin(), first * angles.sin() + second * angles.cos()], -1)


def spectrogram(y: torch.Tensor) -> torch.Tensor:
    return torch.stft(y.flatten(1), 16, window=torch.ones(16), return_complex=True).abs()


CONVOLUTIONS: dict[str, Case] = {
    "stride": (layers(nn.Conv2d(4, 6, 3, 2, 1)), IMAGES),
    "two strides": (layers(nn.Conv2d(4, 6, 2, 2), nn.Conv2d(6, 8, 2, 2)), IMAGES),
    "dilation": (layers(nn.Conv2d(4, 6, 3, 3, dilation=2), nn.ReLU(), nn.Conv2d(6, 8, 2)), IMAGES),
    "groups": (layers(nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 8, (3, 1), stride=(2, 1), groups=2)), IMAGES),
    "one axis": (layers(nn.Conv1d(4, 8, 3, padding="same"), nn.Conv1d(8, 8, 5, 2, 2)), SEQUENCES),
    "reflected border": (layers(nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect")), IMAGES),
    "three axes": (layers(nn.Conv3d(2, 3, 3, 2, 1)), ("B", 2, "T", "H", 16)),
    "transposed": (layers(nn.Conv2d(4, 4, 2, 2), nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1)), IMAGES),
    "transposed, one axis": (layers(nn.ConvTranspose1d(4, 6, 4, 2, 1, groups=2)), SEQUENCES),
}
POOLING: dict[str, Case] = {
    "max": images(lambda y: functional.max_pool2d(y, 3, 2, 1)),
    "max, ceil": images(lambda y: functional.max_pool2d(y, 3, 2, ceil_mode=True)),
    "max, dilation": images(lambda y: functional.max_pool2d(y, 2, 1, dilation=2)),
    "average": images(lambda y: functional.avg_pool2d(y, 3, 2, 1)),
    "average, ceil": images(lambda y: functional.avg_pool2d(y, 3, 2, 1, ceil_mode=True)),
    "average without padding": images(
        lambda y: functional.avg_pool2d(y, 3, 2, 1, ceil_mode=True, count_include_pad=False)
    ),
    "power": images(lambda y: functional.lp_pool2d(y, 2, 2)),
    "unpooled": batch_of_images(
        lambda y: functional.max_unpool2d(*functional.max_pool2d(y, 2, return_indices=True), 2)
    ),
    "adaptive": images(lambda y: functional.adaptive_avg_pool2d(y, 1)),
    "adaptive, one axis kept": images(lambda y: functional.adaptive_avg_pool2d(y, (None, 1))),
    "adaptive, uneven": batch_of_images(lambda y: functional.adaptive_max_pool2d(y, (5, 7))),
    "one axis": (layers(nn.Conv1d(4, 4, 3), nn.AvgPool1d(3, 2, 1), nn.MaxPool1d(2)), SEQUENCES),
    "three axes": (layers(nn.Conv3d(2, 3, 3, 1, 1), nn.MaxPool3d(2), nn.AvgPool3d(2)), ("B", 2, "T", "H", 16)),
}
RESIZING: dict[str, Case] = {
    **{
        f"{mode}, {name}": images(resized(mode, **options))
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
        for name, options in {
            "double": {"scale_factor": 2},
            "half": {"scale_factor": 0.5},
            "size": {"size": (20, 30)},
        }.items()
    },
    "aligned": images(resized("bilinear", scale_factor=2, align_corners=True)),
    "antialiased": batch_of_images(resized("bicubic", size=(9, 9), antialias=True)),
    "one and a half": batch_of_images(resized("nearest", scale_factor=1.5)),
    "area": batch_of_images(resized("area", scale_factor=0.5)),
    "linear": (layers(nn.Conv1d(4, 4, 3), nn.Upsample(scale_factor=2, mode="linear")), SEQUENCES),
    "trilinear": (layers(nn.Conv3d(2, 3, 1), nn.Upsample(scale_factor=2, mode="trilinear")), ("B", 2, "T", "H", 16)),
    "shuffled": images(lambda y: functional.pixel_unshuffle(functional.pixel_shuffle(y, 2), 2)),
}
MOVES: dict[str, Case] = {
    "unfold": images(lambda y: functional.unfold(y, 3, stride=2, padding=1, dilation=2)),
    "fold": images(lambda y: functional.fold(functional.unfold(y, 3, padding=1), y.shape[2:], 3, padding=1)),
    "pad": images(lambda y: functional.pad(y, (1, 2, 0, 3))),
    "crop": images(lambda y: functional.pad(y, (-1, 2, 0, -3))),
    **{f"pad, {m}": images(lambda y, m=m: functional.pad(y, (1, 2, 0, 3), mode=m)) for m in ("reflect", "circular")},
    "roll": images(lambda y: torch.roll(y, (1, -2), (2, 3))),
    "repeat": images(lambda y: y.repeat(2, 1, 1, 3)),
    "repeat each": images(lambda y: y.repeat_interleave(3, 2)),
    "whole slice": images(lambda y: y[:, None] * 2.0),
    "slice": images(lambda y: y[:, 1:3, 1:, ::2] * 2.0),
    "half": images(lambda y: y[:, :, y.shape[2] // 2 :] * 2.0),
    "select": images(lambda y: y[:, :, -1] * 2.0),
    "index": images(lambda y: y[:, torch.tensor([0, 2])]),
    "split": images(lambda y: torch.cat(y.split([1, 3], 1)[::-1], 1)),
    "windows": batch_of_images(windows),
    "flatten": images(lambda y: y.flatten(1) * 2),
    "permuted": images(lambda y: y.permute(0, 2, 3, 1).contiguous().view(y.shape[0], -1, 4) * 2),
    "grid": images(lambda y: y + torch.stack(torch.meshgrid(torch.arange(y.shape[2]).float(), torch.linspace(0, 1, y.shape[3]), indexing="ij")).sum(0)),
}  # fmt: skip
REDUCTIONS: dict[str, Case] = {
    "mean": images(lambda y: y.mean()),
    "mean of the batch": rows(lambda y: y.mean(0)),
    "sum over its length": rows(lambda y: y.sum(0) / y.shape[0]),
    "variance": images(lambda y: y.var((2, 3))),
    "softmax": images(lambda y: y.flatten(2).softmax(-1)),
    "differences": images(lambda y: (y[:, :, 1:] - y[:, :, :-1]).abs().mean()),
    "batch norm": (layers(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), IMAGES),
    "group norm": (layers(nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4), nn.SiLU()), IMAGES),
    "squared error": images(lambda y: functional.mse_loss(y, torch.zeros_like(y))),
    "cross-entropy": tokens(
        lambda y: functional.cross_entropy(y.transpose(1, 2), torch.zeros(y.shape[:2], dtype=torch.int64))
    ),
}
FOURIER: dict[str, Case] = {
    "rfft2": images(lambda y: torch.fft.rfft2(y).abs()),
    "irfft2": images(lambda y: torch.fft.irfft2(torch.fft.rfft2(y), s=y.shape[-2:])),
    "another axis": images(lambda y: torch.fft.fft(y, dim=0).real),
    "stft": (lambda: After(nn.Linear(8, 8), spectrogram), ("B", 4, 8)),
    "stft of a length": (lambda: After(nn.Conv1d(1, 1, 1), spectrogram), ("B", 1, "T")),
}
PRODUCTS: dict[str, Case] = {
    "attention": tokens(lambda y: functional.scaled_dot_product_attention(y, y, y)),
    "causal mask": tokens(
        lambda y: (y @ y.transpose(1, 2)).masked_fill(torch.ones(y.shape[1], y.shape[1]).tril() == 0, -1e9).softmax(-1)
    ),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), TOKENS),
    "einsum": tokens(lambda y: torch.einsum("bth,bsh->bts", y, y)),
    "gram": rows(lambda y: y @ y.T),
    "rotated": tokens(rotated),
    "one-hot": (lambda: Of(nn.Linear(11, 8), lambda f, x: f(functional.one_hot(x, 11).float())), "BxT:int64"),
    "experts": (lambda: Experts(ends=True), ROWS),
    "experts in groups": (lambda: Experts(ends=False), (2, "B", 8)),
    "inverse": (lambda: After(nn.Linear(8, 8), torch.linalg.inv), ("B", 8, 8)),
}
RECURRENT: dict[str, Case] = {
    "lstm": (lambda: nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True, dropout=0.1), TOKENS),
    "lstm with a projection": (lambda: nn.LSTM(8, 8, proj_size=4), (3, "B", 8)),
    "gru": (lambda: nn.GRU(8, 8, 2, bidirectional=True), (3, "B", 8)),
    "rnn": (lambda: nn.RNN(8, 8, 2, batch_first=True), ("B", 3, 8)),
    "lstm cell": (lambda: nn.LSTMCell(8, 8), ROWS),
    "gru cell": (lambda: nn.GRUCell(8, 8), ROWS),
    "rnn cell": (lambda: nn.RNNCell(8, 8), ROWS),
}
CASES: dict[str, Case] = {
    f"{kind}: {name}": case
    for kind, cases in {
        "convolution": CONVOLUTIONS, "pooling": POOLING, "resizing": RESIZING, "moves": MOVES, "reductions": REDUCTIONS,
        "fourier": FOURIER, "products": PRODUCTS, "recurrent": RECURRENT,
    }.items()
    for name, case in cases.items()
}  # fmt: skip
