"""RNN, LSTM and GRU in the forms that frameworks export, whose gates ONNX orders in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nncost.dims import Dim, Shape, same, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.recurrent import CELLS, CellWeights, recurrent_layer

GATES: Mapping[str, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
"""Where our gates stand among ONNX's: i f c o of i o f c, r z h of z r h."""
PLAIN_ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    "rnn": ("Tanh",),
    "lstm": ("Sigmoid", "Tanh", "Tanh"),
    "gru": ("Sigmoid", "Tanh"),
}
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
LENGTHS, FIRST_STATE, PEEPHOLES = 4, 5, 7
"""Positions of the operands: X, W, R, B, the sequences' lengths, the initial states, the peepholes."""


@lowers("GRU")
def _gru(call: Call) -> Lowered:
    """With linear_before_reset, as PyTorch and cuDNN have it; the other form is another network."""
    if not call.attributes.flag("linear_before_reset", False):
        raise Unlowered("the reset gate before the product")
    return _layer(call, "gru")


def _layer(call: Call, kind: str) -> Lowered:
    """``X`` (T, B, F), ``W`` (D, G·H, F), ``R`` (D, G·H, H), ``B`` (D, 2·G·H) → ``Y`` (T, D, B, H), final states (D, B, H)."""
    way = call.attributes.text("direction", "forward")
    if way not in DIRECTIONS:
        raise SourceError(f"direction is forward, reverse or bidirectional, received {way!r}.")
    reversed_ = DIRECTIONS[way]
    _refuse_other_forms(call, kind, len(reversed_))
    x = call.ranked(0, 3, 3)
    weights, hidden_weights = call.ranked(1, 3, 3, "weight"), call.ranked(2, 3, 3, "weight")
    bias = call.ranked(3, 2, 2, "bias") if call.has(3) else None
    hidden = hidden_weights.shape[2]
    _check(kind, len(reversed_), x, weights, hidden_weights, bias)
    states = [call.ranked(FIRST_STATE + i, 3, 3) for i in range(CELLS[kind].states) if call.has(FIRST_STATE + i)]
    if states and len(states) < CELLS[kind].states:
        raise Unlowered("one initial state of two")
    given = [tensor for tensor in (bias, *states) if tensor is not None]
    b = call.builder
    with b.region(Operation(kind), x, weights, hidden_weights, *given) as region:
        count = len(reversed_)
        parts = zip(*(_directions_of(b, t, count) for t in (weights, hidden_weights, bias)), strict=True)
        cells = [_cell(b, kind, part, hidden) for part in parts]
        apart = [_directions_of(b, state, count) for state in states]
        initial = [[state[number] for state in apart] for number in range(count)] if states else []
        by_example = b.transpose(x, (1, 0, 2))
        y, finals = recurrent_layer(b, kind, by_example, cells, reverse=reversed_, initial=initial)
        region.returns(*_results(b, y, finals, hidden))
    return tuple(region.outputs)


lowers("RNN")(partial(_layer, kind="rnn"))
lowers("LSTM")(partial(_layer, kind="lstm"))


def _cell(b: Builder, kind: str, tensors: Sequence[Tensor | None], hidden: Dim) -> CellWeights:
    """One direction's weights in our order of gates."""
    weights, hidden_weights, bias = tensors
    assert weights is not None
    assert hidden_weights is not None
    biases = () if bias is None else _biases(b, kind, bias, hidden)
    return CellWeights(_ordered(b, kind, weights, hidden), _ordered(b, kind, hidden_weights, hidden), *biases)


def _refuse_other_forms(call: Call, kind: str, directions: int) -> None:
    """Raise Unlowered for what changes the cell: lengths, peepholes, clipping, other activations."""
    a = call.attributes
    named = a.texts("activations")
    other = named is not None and tuple(named) != PLAIN_ACTIVATIONS[kind] * directions
    if call.has(LENGTHS) or call.has(PEEPHOLES) or "clip" in a or other:
        raise Unlowered("sequence lengths, peepholes, clipping or other activations")
    if a.flag("layout", False) or a.flag("input_forget", False):
        raise Unlowered("examples first, or coupled gates")


def _check(kind: str, directions: int, x: Tensor, w: Tensor, r: Tensor, bias: Tensor | None) -> None:
    rows: Dim = CELLS[kind].gates * r.shape[2]
    expected: list[tuple[Tensor, Shape]] = [(w, (directions, rows, x.shape[2])), (r, (directions, rows, r.shape[2]))]
    expected += [] if bias is None else [(bias, (directions, 2 * rows))]
    for tensor, shape in expected:
        if not all(same(a, b) for a, b in zip(tensor.shape, shape, strict=True)):
            raise ShapeError(f"weights of {shape_text(tensor.shape)} where {shape_text(shape)} are needed.")


def _directions_of(b: Builder, tensor: Tensor | None, count: int) -> list[Any]:
    """Each direction's part of stacked weights or states; None if they are not given."""
    if tensor is None:
        return [None] * count
    return [b.reshape(part, tensor.shape[1:]) for part in b.chunk(tensor, count, 0)]


def _ordered(b: Builder, kind: str, tensor: Tensor, hidden: Dim) -> Tensor:
    """The blocks of H rows in our order."""
    pieces = b.split(tensor, (hidden,) * len(GATES[kind]), 0)
    return b.concat([pieces[gate] for gate in GATES[kind]], 0)


def _biases(b: Builder, kind: str, both: Tensor, hidden: Dim) -> tuple[Tensor, ...]:
    """The input's and the hidden state's bias, one after the other."""
    return tuple(_ordered(b, kind, part, hidden) for part in b.chunk(both, 2, 0))


def _results(b: Builder, y: Tensor, finals: Sequence[list[Tensor]], hidden: Dim) -> list[Tensor]:
    """Every step's hidden state (T, D, B, H), then each final state (D, B, H)."""
    batch, length, _ = y.shape
    apart = b.reshape(y, (batch, length, len(finals), hidden))
    stacks = (b.concat([b.unsqueeze(state, 0) for state in states], 0) for states in zip(*finals, strict=True))
    return [b.transpose(apart, (1, 2, 0, 3)), *stacks]
