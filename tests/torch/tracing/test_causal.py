"""Causal attention that PyTorch takes apart counts the products of hidden scores as the fused one does."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

import nncost  # noqa: E402
from nncost.dims import symbol  # noqa: E402

B, H, T, E, V = 2, 4, 7, 10, 6
HIDDEN = T * (T - 1) // 2


class Attention(nn.Module):
    """Queries and keys of width E, values of another."""

    def __init__(self, value: int = V, causal: bool = True) -> None:
        super().__init__()
        self.queries, self.keys, self.values = nn.Linear(E, E), nn.Linear(E, E), nn.Linear(E, value)
        self.causal = causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scaled_dot_product_attention(self.queries(x), self.keys(x), self.values(x), is_causal=self.causal)


@pytest.mark.parametrize("value", [V, E])
def test_forward_and_backward(value: int) -> None:
    """Taken apart (V) or in one kernel (E): hidden products of both contractions, twice as many backward."""
    report = nncost.count(Attention(value), (B, H, T, E), loss="sum")
    assert report.forward.masked_macs == B * H * HIDDEN * (E + value)
    assert report.backward.masked_macs == 2 * B * H * HIDDEN * (E + value)


def test_derived_backward() -> None:
    report = nncost.count(Attention(), (B, H, T, E), loss="sum", backward="derived")
    assert report.forward.masked_macs == B * H * HIDDEN * (E + V)
    assert report.backward.masked_macs == 2 * B * H * HIDDEN * (E + V)


def test_not_causal() -> None:
    report = nncost.count(Attention(causal=False), (B, H, T, E), loss="sum")
    assert (report.forward.masked_macs, report.backward.masked_macs) == (0, 0)


def test_in_symbols() -> None:
    formulas = nncost.count(Attention(), ("B", H, "T", E))
    numbers = nncost.count(Attention(), (B, H, T, E))
    masked = formulas.forward.masked_macs
    assert masked.subs({symbol("B"): B, symbol("T"): T}) == numbers.forward.masked_macs == B * H * HIDDEN * (E + V)


def test_other_products_are_not_masked() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x) @ self.attention(x).transpose(-1, -2)

    report = nncost.count(Beside(), (B, H, T, E), loss="sum")
    assert report.forward.masked_macs == 2 * B * H * HIDDEN * (E + V)
    assert report.backward.masked_macs == 2 * report.forward.masked_macs


def test_equal_blocks() -> None:
    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(Attention(), nn.Linear(V, E)) for _ in range(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = block(x)
            return x

    once, each = (nncost.count(Blocks(), (B, H, T, E), loss="sum", reuse=reuse) for reuse in (True, False))
    assert once.forward.masked_macs == each.forward.masked_macs == 4 * B * H * HIDDEN * (E + V)
    assert once.backward.masked_macs == each.backward.masked_macs == 2 * once.forward.masked_macs
