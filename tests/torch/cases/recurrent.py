"""Fused recurrent layers and cells: every gate is a dense layer of the input plus one of the state."""

# Capital letters are the sizes that the formulas of the field are written in.
# ruff: noqa: E741, N806

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from tests.torch.cases.case import Case, random

GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}
T, B, I, H = 5, 3, 6, 4  # steps, batch, input features, hidden features


def layer_widths(layers: int, directions: int, state: int) -> list[int]:
    """Input features of each layer: the first sees the input, the others all directions of the one below."""
    return [I] + [directions * state] * (layers - 1)


def fused(
    name: str,
    kind: type[nn.RNNBase],
    note: str,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    proj: int = 0,
    bias: bool = True,
    inputs: Callable[[], tuple[Any, ...]] | None = None,
    **options: Any,
) -> Case:
    """One fused layer stack.

    A step of one direction of one layer multiplies G·H·width (input), G·H·R (state, R = proj or H) and proj·H.
    """
    G, D, R = GATES[kind], 2 if bidirectional else 1, proj or H
    widths = layer_widths(layers, D, R)
    weights = sum(D * (G * H * width + G * H * R + proj * H) for width in widths)
    biases = layers * D * 2 * G * H if bias else 0
    weight_gradients = T * B * weights
    input_gradients = sum(D * T * B * G * H * width for width in widths[1:])
    state_gradients = layers * D * (T - 1) * B * G * H * R
    projection_gradients = layers * D * T * B * proj * H
    backward = weight_gradients + input_gradients + state_gradients + projection_gradients
    arguments = dict(num_layers=layers, bidirectional=bidirectional, bias=bias, **options)
    if proj:
        arguments["proj_size"] = proj
    batch_first = bool(options.get("batch_first"))
    return Case(
        name=name,
        build=lambda: kind(I, H, **arguments),
        inputs=inputs or random((B, T, I) if batch_first else (T, B, I)),
        parameters=weights + biases,
        weights=weights,
        biases=biases,
        forward_macs=T * B * weights,
        backward_macs=backward,
        backward_readings=(backward + layers * D * B * G * H * R,),
        note=note
        + " Backward: weights T·B·W; inputs of layers above the first T·B·D·G·H·width; states (T−1)·B·G·H·R for each"
        " layer and direction, as the gradient of h_0 is not asked for (a fused kernel that makes it anyway takes"
        " B·G·H·R more for each: the other reading); projections T·B·P·H.",
    )


class Packed(nn.Module):
    """An LSTM over sequences of unequal lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(I, H)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.cell(pack_padded_sequence(x, lengths))
        return output.data


class LearnedState(nn.Module):
    """A GRU whose initial state is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(I, H)
        self.state = nn.Parameter(torch.zeros(1, 1, H))

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x, self.state.expand(1, x.shape[1], H).contiguous())[0]


class Loop(nn.Module):
    """A cell in a Python loop over time."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = None, []
        for step in x:
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs)


def cell(kind: type[nn.RNNCellBase]) -> Case:
    G = GATES[kind]
    weights = G * H * (I + H)
    return Case(
        name=f"{kind.__name__.lower()}_one_step",
        build=lambda: kind(I, H),
        inputs=random((B, I)),
        parameters=weights + 2 * G * H,
        weights=weights,
        biases=2 * G * H,
        forward_macs=B * weights,
        backward_macs=B * weights,
        note="B·G·(H·I + H·H), the state of zeros multiplied all the same; backward: the weight gradients, B·G·(H·I + H·H).",
    )


def loop(kind: type[nn.RNNCellBase]) -> Case:
    G = GATES[kind]
    weights = G * H * (I + H)
    return Case(
        name=f"{kind.__name__.lower()}_loop_over_time",
        build=lambda: Loop(kind(I, H)),
        inputs=random((T, B, I)),
        parameters=weights + 2 * G * H,
        weights=weights,
        biases=2 * G * H,
        forward_macs=T * B * weights,
        backward_macs=T * B * weights + (T - 1) * B * G * H * H,
        note="T·B·G·(H·I + H·H); backward: T weight gradients and T−1 state gradients B·G·H·H.",
    )


LENGTHS = (5, 3, 2)
GRU_STATE = 3 * H * (I + H)

CASES: tuple[Case, ...] = (
    fused("lstm", nn.LSTM, "T·B·4·(H·I + H·H)."),
    fused("lstm_batch_first", nn.LSTM, "T·B·4·(H·I + H·H); the order of axes is free.", batch_first=True),
    fused("lstm_no_bias", nn.LSTM, "T·B·4·(H·I + H·H); no biases.", bias=False),
    fused("lstm_three_layers_dropout", nn.LSTM, "T·B·4·H·(I + H + 4·H).", layers=3, dropout=0.1),
    fused("lstm_bidirectional", nn.LSTM, "T·B·2·4·(H·I + H·H).", bidirectional=True),
    fused(
        "lstm_bidirectional_two_layers", nn.LSTM, "The second layer sees 2·H features.", bidirectional=True, layers=2
    ),
    fused(
        "lstm_projection", nn.LSTM, "T·B·(4·H·(I + P) + P·H) with P = 2: the state that recurs has P features.", proj=2
    ),
    fused(
        "lstm_projection_bidirectional_two_layers",
        nn.LSTM,
        "As above with layer inputs I and 2·P.",
        proj=2,
        layers=2,
        bidirectional=True,
    ),
    fused(
        "lstm_given_state",
        nn.LSTM,
        "The initial state is an input: no gradient for it.",
        inputs=lambda: (torch.randn(T, B, I), (torch.randn(1, B, H), torch.randn(1, B, H))),
    ),
    fused("gru", nn.GRU, "T·B·3·(H·I + H·H); the reset gate acts on the product, elementwise."),
    fused(
        "gru_two_layers_bidirectional_batch_first",
        nn.GRU,
        "Layer inputs I and 2·H.",
        layers=2,
        bidirectional=True,
        batch_first=True,
    ),
    fused("gru_no_bias", nn.GRU, "T·B·3·(H·I + H·H).", bias=False),
    fused("rnn_tanh", nn.RNN, "T·B·(H·I + H·H)."),
    fused("rnn_relu_two_layers", nn.RNN, "T·B·(H·I + 3·H·H).", layers=2, nonlinearity="relu"),
    fused("rnn_bidirectional", nn.RNN, "T·B·2·(H·I + H·H).", bidirectional=True),
    Case(
        name="lstm_unbatched",
        build=lambda: nn.LSTM(I, H),
        inputs=random((T, I)),
        parameters=4 * H * (I + H) + 8 * H,
        weights=4 * H * (I + H),
        biases=8 * H,
        forward_macs=T * 4 * H * (I + H),
        backward_macs=T * 4 * H * (I + H) + (T - 1) * 4 * H * H,
        backward_readings=(T * 4 * H * (I + H) + T * 4 * H * H,),
        note="A batch of one without its axis: T·4·(H·I + H·H); backward as for nn.LSTM with B = 1.",
    ),
    Case(
        name="lstm_packed_sequence",
        build=Packed,
        inputs=lambda: (torch.randn(max(LENGTHS), len(LENGTHS), I), torch.tensor(LENGTHS)),
        parameters=4 * H * (I + H) + 8 * H,
        weights=4 * H * (I + H),
        biases=8 * H,
        forward_macs=sum(LENGTHS) * 4 * H * (I + H),
        backward_macs=sum(LENGTHS) * 4 * H * (I + H) + (sum(LENGTHS) - len(LENGTHS)) * 4 * H * H,
        backward_readings=(sum(LENGTHS) * 4 * H * (I + H) + sum(LENGTHS) * 4 * H * H,),
        note="Σ lengths steps in place of T·B; the state gradients are Σ (length − 1).",
        needs_values=True,
    ),
    Case(
        name="gru_learned_initial_state",
        build=LearnedState,
        inputs=random((T, B, I)),
        parameters=GRU_STATE + 6 * H + H,
        weights=GRU_STATE,
        biases=6 * H,
        forward_macs=T * B * GRU_STATE,
        backward_macs=T * B * GRU_STATE + T * B * 3 * H * H,
        note="The initial state is a parameter, so its gradient is asked for: T state gradients, not T−1.",
    ),
    *(cell(kind) for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)),
    *(loop(kind) for kind in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)),
)
