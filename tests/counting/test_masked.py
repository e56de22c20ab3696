"""Products for scores that a causal mask hides are counted, and counted apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nncost
from nncost.dims import substitute, symbol


def hidden(queries: int, keys: int, *, from_start: bool) -> int:
    """The scores that a causal mask hides, one by one."""
    shift = 0 if from_start else keys - queries
    return sum(key > query + shift for query in range(queries) for key in range(keys))


class Causal(nn.Module):
    def __init__(self, keys: int) -> None:
        super().__init__()
        self.keys = keys
        self.query, self.other = nn.Linear(4, 6), nn.Linear(4, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query = self.query(x).unflatten(-1, (2, 3)).transpose(1, 2)
        other = self.other(x[:, :1].expand(-1, self.keys, -1)).unflatten(-1, (2, 3)).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(query, other, other, is_causal=True)


@pytest.mark.parametrize("backward", ["auto", "derived"])
@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (3, 7), (7, 3)])
def test_masked_products_of_a_module(queries: int, keys: int, backward: str) -> None:
    report = nncost.count(Causal(keys), (2, queries, 4), loss="sum", backward=backward)
    # Two products of width 3 forward, four backward, in each of two examples and two heads.
    scores = 2 * 2 * hidden(queries, keys, from_start=True)
    assert report.forward.masked_macs == 2 * 3 * scores
    assert report.backward.masked_macs == 4 * 3 * scores
    assert report.forward.macs > report.forward.masked_macs


def test_masked_products_of_a_spec() -> None:
    report = nncost.count("5x8, attention heads=2 causal", batch=3)
    assert report.forward.masked_macs == 3 * 2 * hidden(5, 5, from_start=False) * (4 + 4)
    assert "masked_macs" not in nncost.count("5x8, attention heads=2").to_dict()["totals"]["forward"]


def test_masked_products_as_a_formula() -> None:
    amount = nncost.count("Tx8, attention heads=2 causal").forward.masked_macs
    assert substitute(amount, {symbol("T"): 6}) == 2 * hidden(6, 6, from_start=False) * 8
