"""The derived backward of modules: what it must see, and where it must stop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost

ROWS, WIDTH = 3, 4


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return torch.relu(x @ weight)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        return gradient @ weight.T, x.T @ gradient


class Custom(nn.Module):
    """A function with a backward of its own behind a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.weight = nn.Linear(WIDTH, WIDTH), nn.Parameter(torch.zeros(WIDTH, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Product.apply(self.layer(x), self.weight)


class Detached(nn.Module):
    """The first layer is behind a detach, the second without gradients, the third is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third = self.layers
        x = first(x).detach()
        with torch.no_grad():
            x = second(x)
        return third(x)


class Twice(nn.Module):
    """Two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(WIDTH, 2), nn.Linear(WIDTH, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.left(x), {"other": self.right(x)}


class Written(nn.Module):
    """Slices of a buffer are written, through views of views."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(2, ROWS, WIDTH)
        out[0] = self.layer(x)
        out.transpose(0, 1)[:, 1].copy_(out[0].relu())
        out[1].mul_(2.0)
        return out.sum(0) @ self.layer.weight


LAYER = ROWS * WIDTH * WIDTH
NETWORKS = {
    "custom function": (Custom, 2 * LAYER, LAYER + 2 * LAYER),
    "detached": (Detached, 3 * LAYER, LAYER),
    "two outputs": (Twice, ROWS * WIDTH * 7, ROWS * WIDTH * 7),
    "written in place": (Written, 2 * LAYER, 3 * LAYER),
}


@pytest.mark.parametrize("backward", ["auto", "derived"])
@pytest.mark.parametrize("name", NETWORKS)
def test_contractions(name: str, backward: str) -> None:
    make, forward, gradients = NETWORKS[name]
    report = nncost.count(make(), (ROWS, WIDTH), loss="sum", backward=backward)
    assert report.complete
    assert (report.forward.macs, report.backward.macs) == (forward, gradients)


class Complex(nn.Module):
    """A view that is no move of the graph's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = self.layer(x).view(ROWS, WIDTH // 2, 2)
        return torch.view_as_real(torch.view_as_complex(pairs) * (1 + 2j))


class ByValue(nn.Module):
    """A number that only the data decide."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * x.sum().item()


@pytest.mark.parametrize("make", [Complex, ByValue])
def test_what_cannot_be_derived_is_unknown(make: type[nn.Module]) -> None:
    report = nncost.count(make(), (ROWS, WIDTH), loss="sum", backward="derived")
    assert report.unknown
    assert report.forward.macs >= LAYER
