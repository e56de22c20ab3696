"""Neurons: outputs of dense, convolution and recurrent layers for one example."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost

NETWORKS: dict[str, tuple[Any, Any, int]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)), (2, 7), 8),
    "dense over a sequence": (lambda: nn.Linear(7, 5), (2, 4, 7), 20),
    "convolution": (lambda: nn.Conv2d(3, 4, 3), (2, 3, 8, 9), 4 * 6 * 7),
    "lstm": (lambda: nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True), (3, 6, 4), 20),
    "lstm with projections": (lambda: nn.LSTM(4, 5, proj_size=2, batch_first=True), (3, 6, 4), 2),
    "gru": (lambda: nn.GRU(4, 5, batch_first=True), (3, 6, 4), 5),
    "cell": (lambda: nn.LSTMCell(4, 5), (3, 4), 5),
    "bilinear": (lambda: nn.Bilinear(4, 5, 6), ((3, 4), (3, 5)), 6),
    "attention": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), ((3, 6, 4),) * 3, 6 * (3 * 4 + 4)),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("settings", [{}, {"loss": "sum"}])
@pytest.mark.parametrize("name", NETWORKS)
def test_neurons(name: str, settings: dict[str, str]) -> None:
    make, inputs, neurons = NETWORKS[name]
    assert nncost.count(make(), inputs, **settings).neurons == neurons


def test_neurons_of_alike_blocks_with_recurrent_layers() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.out = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.cells(x)[0])

    assert nncost.count(nn.Sequential(Inner(), Inner(), Inner()), (2, 5, 4)).neurons == 3 * (4 + 5 * 4)
