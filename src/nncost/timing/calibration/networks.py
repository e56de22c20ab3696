"""Networks from which the framework's costs are found: small ones, nearly all framework, and some whose operators count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

Make = Callable[[], tuple[nn.Module, tuple[torch.Tensor, ...]]]
"""A network and its inputs."""


class Views(nn.Module):
    """Many views, no work."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.scale = count, nn.Parameter(torch.ones(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input, looked at again and again."""
        y = x * self.scale
        for _ in range(self.count):
            y = y.t().unsqueeze(0).squeeze(0)
        return y


class Parameters(nn.Module):
    """Many parameters, one small operator each."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(4)) for _ in range(count)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input with every parameter added."""
        for shift in self.shifts:
            x = x + shift
        return x


class Attention(nn.Module):
    """A transformer block, repeated."""

    def __init__(self, layers: int, width: int = 16) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sequences as long as the input's."""
        return self.layers(x)


def dense(layers: int, width: int = 16) -> nn.Sequential:
    """Dense layers with an activation each."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*parts)


def convolutional(layers: int, channels: int = 4) -> nn.Sequential:
    """Convolutions with batch norm."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*parts)


class Recurrent(nn.Module):
    """A recurrent layer and a dense one at each of its steps."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.recurrent, self.out = nn.LSTM(width, hidden, batch_first=True), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sequences as long as the input's."""
        return self.out(self.recurrent(x)[0])


def _square() -> tuple[torch.Tensor, ...]:
    return (torch.randn(4, 4),)


NETWORKS: Mapping[str, Make] = {
    "views": lambda: (Views(32), _square()),
    "parameters": lambda: (Parameters(32), _square()),
    "layers": lambda: (nn.Sequential(nn.Linear(4, 4), *(nn.Identity() for _ in range(64))), _square()),
    "dense 2": lambda: (dense(2), (torch.randn(4, 16),)),
    "dense 16": lambda: (dense(16), (torch.randn(4, 16),)),
    "convolutional": lambda: (convolutional(8), (torch.randn(1, 4, 8, 8),)),
    "attention": lambda: (Attention(2), (torch.randn(1, 8, 16),)),
    "recurrent": lambda: (Recurrent(8, 16), (torch.randn(2, 24, 8),)),
    "wide dense": lambda: (dense(5, 320), (torch.randn(48, 320),)),
    "images": lambda: (convolutional(6, 24), (torch.randn(6, 24, 28, 28),)),
    "wide attention": lambda: (Attention(3, 144), (torch.randn(5, 40, 144),)),
    "wide recurrent": lambda: (Recurrent(72, 112), (torch.randn(12, 36, 72),)),
}
OPTIMIZERS = ("sgd", "adam")
