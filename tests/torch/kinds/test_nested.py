"""Nested tensors in both layouts, given and made: each piece counts as it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.errors import SourceError

LENGTHS, HEADS, WIDTH = (3, 5), 2, 8
PIECES = [torch.randn(length, WIDTH) for length in LENGTHS]
ROWS = sum(LENGTHS)
LAYOUTS = {"jagged": torch.jagged, "strided": torch.strided}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def nested(layout: str) -> torch.Tensor:
    return torch.nested.nested_tensor(PIECES, layout=LAYOUTS[layout])


class Attention(nn.Module):
    """Attention within each piece, of jagged tensors that are given or made of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Any) -> Any:
        if not x.is_nested:
            x = torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, LENGTHS[0], ROWS]))
        q = self.dense(x).unflatten(-1, [HEADS, WIDTH // HEADS]).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(q, q, q).values()


ATTENTION = ROWS * WIDTH * WIDTH + 2 * WIDTH * sum(length**2 for length in LENGTHS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_dense_layer(layout: str) -> None:
    layer, x = nn.Linear(WIDTH, 6), nested(layout)
    report = nncost.count(layer, (x,))
    assert report.forward.macs == ROWS * WIDTH * 6
    assert report.forward.add == ROWS * WIDTH * 6
    assert report.complete
    assert report.source.inputs == {"input": (2, 5, 8)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_training(layout: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2))

        def forward(self, x: Any) -> Any:
            return torch.nested.to_padded_tensor(self.inside(x), 0.0)

    report = nncost.count(Net(), (nested(layout),), loss="sum", optimizer="sgd")
    rows = nncost.count(Net().inside, (ROWS, WIDTH), loss="sum", optimizer="sgd")
    assert report.forward.macs == rows.forward.macs == ROWS * WIDTH * (WIDTH + 2)
    assert report.forward.add == rows.forward.add
    assert report.backward.macs == rows.backward.macs
    assert report.update.mul == rows.update.mul


@pytest.mark.parametrize("x", [torch.randn(ROWS, WIDTH), nested("jagged")])
def test_attention_stays_within_pieces(x: torch.Tensor) -> None:
    report = nncost.count(Attention(), (x,), loss="sum")
    assert report.forward.macs == ATTENTION == 1_056
    assert report.backward.macs == ROWS * WIDTH * WIDTH + 2 * (ATTENTION - ROWS * WIDTH * WIDTH)
    assert report.complete


def test_attention_of_the_strided_layout() -> None:
    q = torch.nested.nested_tensor([piece.view(-1, HEADS, 4).transpose(0, 1) for piece in PIECES])

    class Net(nn.Module):
        def forward(self, q: Any) -> Any:
            return nn.functional.scaled_dot_product_attention(q, q, q)

    assert nncost.count(Net(), (q,)).forward.macs == ATTENTION - ROWS * WIDTH * WIDTH


def test_shapes_do_not_tell_where_pieces_end() -> None:
    with pytest.raises(SourceError, match="Give tensors"):
        nncost.count(Attention(), (ROWS, WIDTH))
