"""Recurrent layers and cells, however they are put together: the allocator's peak to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from tests.memory.torch.test_cases import Net
from tests.memory.torch.truth import check_allocations

STEPS, BATCH, WIDTH = 7, 3, 4
LAYERS: Mapping[str, type[nn.Module]] = {"gru": nn.GRU, "rnn": nn.RNN, "lstm": nn.LSTM}
CELLS: Mapping[str, type[nn.Module]] = {"gru": nn.GRUCell, "rnn": nn.RNNCell, "lstm": nn.LSTMCell}
OPTIONS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "batch first": {"batch_first": True},
    "no bias": {"bias": False},
    "both directions": {"bidirectional": True},
    "two with dropout": {"num_layers": 2, "dropout": 0.2, "batch_first": True},
    "two in both directions": {"num_layers": 2, "bidirectional": True},
}


def stacked(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A layer on another of the same kind."""
    y = s.a(x)[0]
    return y + s.b(y)[0]


def passed_on(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A layer that begins where another one ended."""
    y, state = s.a(x)
    return s.b(y, state)[0]


def decoded(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A layer that reads what it wrote."""
    y, state = s.a(x)
    outputs = []
    for _ in range(3):
        y, state = s.a(y, state)
        outputs.append(y)
    return torch.cat(outputs, 1)


def looped(s: Any, x: torch.Tensor) -> torch.Tensor:
    """A cell, step by step."""
    state, outputs = None, []
    for step in x:
        state = s.a(step, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs)


def inputs(*shape: int) -> tuple[torch.Tensor, ...]:
    return (torch.ones(shape),)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_layer(kind: str, options: str) -> None:
    layer = LAYERS[kind](WIDTH, 6, **OPTIONS[options])
    check_allocations(Net(lambda s, x: s.a(x)[0], a=layer), inputs(STEPS, BATCH, WIDTH))


@pytest.mark.parametrize("run", [stacked, passed_on, decoded])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_of_one_kind(kind: str, run: Callable[..., torch.Tensor]) -> None:
    layers = {name: LAYERS[kind](WIDTH, WIDTH, batch_first=True) for name in "ab"}
    check_allocations(Net(run, **layers), inputs(BATCH, STEPS, WIDTH))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_state_of_its_own(kind: str) -> None:
    """The LSTM is handed one tensor for both of its states."""

    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        state = s.state.expand(1, BATCH, WIDTH)
        found: torch.Tensor = s.a(x, (state, state) if kind == "lstm" else state)[0]
        return found

    layer, state = LAYERS[kind](WIDTH, WIDTH), nn.Parameter(torch.zeros(1, 1, WIDTH))
    check_allocations(Net(run, a=layer, state=state), inputs(STEPS, BATCH, WIDTH))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_cell(kind: str, bias: bool) -> None:
    check_allocations(Net(looped, a=CELLS[kind](WIDTH, WIDTH, bias=bias)), inputs(STEPS, BATCH, WIDTH))
