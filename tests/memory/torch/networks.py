"""Small networks of the families people train, each with inputs for a batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LENGTH, WORDS = 32, 4, 16, 50


def mlp() -> nn.Module:
    """Dense layers."""
    return nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 48), nn.Sigmoid(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 10)
    )


class Residual(nn.Module):
    """Two convolutions with batch norm and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second_norm(self.second(self.relu(self.first_norm(self.first(x)))))
        y += x
        return self.relu(y)


def residual() -> nn.Module:
    """A small ResNet."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, 2, padding=3, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        Residual(16), Residual(16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


class Inverted(nn.Module):
    """MobileNet's block: wide, depthwise, narrow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def mobile() -> nn.Module:
    """A small MobileNet."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, padding=1), nn.BatchNorm2d(8), nn.Hardswish(), Inverted(8), Inverted(8), nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


class Block(nn.Module):
    """A transformer's block, norm first."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.dropout, self.causal = nn.Dropout(0.1), causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        heads = self.qkv(self.norm(x)).reshape(batch, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*heads.unbind(0), is_causal=self.causal)
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(batch, length, width)))
        return x + self.down(functional.gelu(self.up(self.second_norm(x))))


class Gpt(nn.Module):
    """A language model whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block(causal=True) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Vit(nn.Module):
    """Patches, a class token, blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, 17, WIDTH))
        self.blocks = nn.Sequential(Block(causal=False), Block(causal=False))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class Recurrent(nn.Module):
    """A recurrent layer of some kind and a head on its last step."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][:, -1])


def lstm() -> nn.Module:
    """Two layers in both directions."""
    return Recurrent(nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True), 32)


def gru() -> nn.Module:
    """Two layers."""
    return Recurrent(nn.GRU(8, 16, 2, batch_first=True), 16)


FAMILIES: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (20,)),
    "residual": (residual, (3, 32, 32)),
    "mobile": (mobile, (3, 16, 16)),
    "gpt": (Gpt, (LENGTH,)),
    "vit": (Vit, (3, 16, 16)),
    "lstm": (lstm, (7, 8)),
    "gru": (gru, (7, 8)),
}


def inputs_for(family: str, batch: int) -> tuple[torch.Tensor, ...]:
    """Inputs of a family: words for a language model, numbers for the others."""
    shape = FAMILIES[family][1]
    if family == "gpt":
        return (torch.zeros((batch, *shape), dtype=torch.int64),)
    return (torch.ones((batch, *shape)),)
