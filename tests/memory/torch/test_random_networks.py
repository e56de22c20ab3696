"""Networks put together at random: the allocator's peak to the byte."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nncost
from nncost.dims import symbol
from tests.memory.torch.truth import OPTIMIZERS, check_step

CHANNELS, SIZE = 4, 8
EXAMPLES = 20

Layer = Callable[[], nn.Module]


class Around(nn.Module):
    """A layer and a way around it, added or multiplied."""

    def __init__(self, layer: nn.Module, *, times: bool) -> None:
        super().__init__()
        self.layer, self.times = layer, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return y * x if self.times else y + x


PLAIN: list[Layer] = [
    lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    lambda: nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
    lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
    lambda: nn.BatchNorm2d(CHANNELS),
    lambda: nn.GroupNorm(2, CHANNELS),
    lambda: nn.LayerNorm(SIZE),
    lambda: nn.Linear(SIZE, SIZE),
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardswish,
    lambda: nn.Softmax(-1),
    lambda: nn.Dropout(0.3),
    lambda: nn.MaxPool2d(3, 1, 1),
    lambda: nn.AvgPool2d(3, 1, 1),
]


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    """Layers one after another, some with a way around."""
    layers: list[nn.Module] = []
    for make in draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6)):
        way = draw(st.sampled_from(["", "sum", "product"]))
        layers.append(make() if not way else Around(make(), times=way == "product"))
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 1), *layers, nn.Flatten(), nn.Linear(CHANNELS * SIZE * SIZE, 3))


@settings(max_examples=EXAMPLES)
@given(
    networks(),
    st.integers(1, 5),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from(["squared_error", "cross_entropy"]),
)
def test_random_network(module: nn.Module, batch: int, optimizer: str, loss: str) -> None:
    check_step(module, (torch.ones(batch, 3, SIZE, SIZE),), loss, optimizer)


def test_a_symbol_for_the_batch_gives_a_formula_below_the_truth() -> None:
    """Workspace has no formula, and the report says so; all the rest is the number's."""
    module = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10))
    memory = nncost.count(module, ("B", 20), loss="squared_error", optimizer="adam").memory
    assert not memory.exact
    assert memory.notes
    for batch in (2, 64, 1000):
        number = nncost.count(module, (batch, 20), loss="squared_error", optimizer="adam").memory.step_peak
        formula = int(memory.step_peak.subs({symbol("B"): batch}))  # type: ignore[union-attr]
        assert 0.9 * number < formula <= number
