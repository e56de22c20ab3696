"""Recurrent layers and cells on symbolic sizes: the operators that PyTorch's forms in C++ run, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import linear

State = tuple[torch.Tensor, ...]
"""A cell's state: hidden, and for an LSTM the cell."""
Weights = Sequence[torch.Tensor]
"""Of one layer and direction: from the input, from the state, their biases, and a projection."""
Step = Callable[[torch.Tensor, State, "LayerWeights"], State]
"""A cell's new state, of the products of the input."""


class LayerWeights:
    """The weights of one layer and direction by their roles."""

    def __init__(self, weights: Weights, *, biased: bool) -> None:
        self.of_input, self.of_state, *rest = weights
        self.biases = tuple(rest[:2]) if biased else (None, None)
        projections = rest[2:] if biased else rest
        self.projection = projections[0] if projections else None

    def from_input(self, x: torch.Tensor) -> torch.Tensor:
        """The input's products."""
        return linear(x, self.of_input, self.biases[0])

    def from_state(self, h: torch.Tensor) -> torch.Tensor:
        """The state's products."""
        return linear(h, self.of_state, self.biases[1])


def _gates(products: torch.Tensor, count: int) -> Sequence[torch.Tensor]:
    """The products of each gate, which may be written to."""
    pieces: Sequence[torch.Tensor] = torch.ops.aten.unsafe_split.Tensor(products, products.shape[1] // count, 1)
    return pieces


def _lstm_step(products: torch.Tensor, state: State, weights: LayerWeights) -> State:
    hidden, cell = state
    gates = _gates(weights.from_state(hidden).add_(products), 4)
    enters, stays = gates[0].sigmoid_(), gates[1].sigmoid_()
    new, leaves = gates[2].tanh_(), gates[3].sigmoid_()
    cell = (stays * cell).add_(enters * new)
    hidden = leaves * cell.tanh()
    return (hidden if weights.projection is None else hidden.matmul(weights.projection.t())), cell


def _gru_step(products: torch.Tensor, state: State, weights: LayerWeights) -> State:
    (hidden,) = state
    inputs = _gates(products, 3)
    states = _gates(weights.from_state(hidden), 3)
    reset = states[0].add_(inputs[0]).sigmoid_()
    share = states[1].add_(inputs[1]).sigmoid_()
    new = inputs[2].add(states[2].mul_(reset)).tanh_()
    return ((hidden - new).mul_(share).add_(new),)


def _simple_step(function: Callable[[torch.Tensor], torch.Tensor]) -> Step:
    return lambda products, state, weights: (function(weights.from_state(state[0]).add_(products)),)


_STEPS: Mapping[str, Step] = {
    "lstm": _lstm_step, "gru": _gru_step, "rnn_tanh": _simple_step(torch.tanh), "rnn_relu": _simple_step(torch.relu)
}  # fmt: skip


# -------------------------------------------------------------------- cells
def _cell(kind: str, x: torch.Tensor, state: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    weights = LayerWeights([w_ih, w_hh, b_ih, b_hh], biased=True)
    found = _STEPS[kind](weights.from_input(x), tuple(state) if kind == "lstm" else (state,), weights)
    return found if kind == "lstm" else found[0]


# -------------------------------------------------------------------- layers
def _layer(kind: str, x: torch.Tensor, state: State, weights: LayerWeights, *, reverse: bool) -> tuple[Any, State]:
    """One layer in one direction: all inputs are multiplied at once, then it goes step by step."""
    steps = weights.from_input(x).unbind(0)
    outputs = []
    for products in reversed(steps) if reverse else steps:
        state = _STEPS[kind](products, state, weights)
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if reverse else outputs, 0), state


def _fused_lstm(x: torch.Tensor, state: State, weights: LayerWeights, *, reverse: bool) -> tuple[Any, State]:
    """One layer of oneDNN in one direction."""
    biases = [torch.zeros(weights.of_input.shape[:1]) if bias is None else bias for bias in weights.biases]
    y, hidden, cell, _ = torch.ops.aten.mkldnn_rnn_layer.default(
        x, weights.of_input, weights.of_state, *biases, *state, reverse, [], 2, state[0].shape[-1], 1,
        weights.biases[0] is not None, False, False, torch.is_grad_enabled(),
    )  # fmt: skip
    return y, (hidden, cell)


def _network(
    kind: str,
    x: torch.Tensor,
    states: Any,
    params: Weights,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    layers = [LayerWeights(params[i : i + each], biased=has_biases) for i in range(0, len(params), each)]
    fused = kind == "lstm" and layers[0].projection is None and torch.backends.mkldnn.is_available()
    run = _fused_lstm if fused else partial(_layer, kind)
    given = list(zip(*(state.unbind(0) for state in (states if kind == "lstm" else (states,))), strict=True))
    x = x.transpose(0, 1) if batch_first else x
    x = x.contiguous() if fused else x
    finals = []
    for number in range(num_layers):
        outputs = []
        for direction in range(directions):
            at = number * directions + direction
            y, final = run(x, given[at], layers[at], reverse=direction == 1)
            outputs.append(y)
            finals.append(final)
        x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
        if dropout and train and number < num_layers - 1:
            x = torch.dropout(x, dropout, True)
    y = x.transpose(0, 1) if batch_first else x
    return y, *(torch.stack(states, 0) for states in zip(*finals, strict=True))


def _of_network(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The layers of a kind; packed sequences, whose lengths are numbers, as PyTorch runs them."""

    def run(*args: Any) -> Any:
        packed = isinstance(args[3], (list, tuple))
        return function(*args) if packed else _network(kind, *args)

    return run


RECURRENT_FORMS: Mapping[Any, Callable[..., Any]] = {
    torch.lstm_cell: partial(_cell, "lstm"),
    torch.gru_cell: partial(_cell, "gru"),
    torch.rnn_tanh_cell: partial(_cell, "rnn_tanh"),
    torch.rnn_relu_cell: partial(_cell, "rnn_relu"),
    torch.lstm: _of_network("lstm", torch.lstm),
    torch.gru: _of_network("gru", torch.gru),
    torch.rnn_tanh: _of_network("rnn_tanh", torch.rnn_tanh),
    torch.rnn_relu: _of_network("rnn_relu", torch.rnn_relu),
}
"""By PyTorch's functions."""
