"""RNN, LSTM and GRU with every attribute; ONNX orders their gates in its own way.

The form that PyTorch exports is the composite that specs and modules use; any other has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, same, shape_text
from nncost.errors import ShapeError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.recurrent_settings import PLAIN, RecurrentSettings, recurrent_settings
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.recurrent import CELLS, CellWeights, State, recurrent_layer
from nncost.ir.library.recurrent_forms import FormedCell, Function, formed_recurrent, seen_steps

GATES: Mapping[str, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
"""Where our gates stand among ONNX's: i f c o of i o f c, r z h of z r h."""
BIAS, LENGTHS, FIRST_STATE, PEEPHOLES = 3, 4, 5, 7
"""Positions of the operands: X, W, R, B, the sequences' lengths, the initial states, the peepholes."""


def _layer(call: Call, kind: str) -> Lowered:
    """``X`` (T, B, F), ``W`` (D, G·H, F), ``R`` (D, G·H, H), ``B`` (D, 2·G·H) → ``Y`` (T, D, B, H), final states (D, B, H)."""
    weights, hidden_weights = call.ranked(1, 3, 3, "weight"), call.ranked(2, 3, 3, "weight")
    return recurrent(call, kind, call.ranked(0, 3, 3), weights, hidden_weights)


def recurrent(call: Call, kind: str, x: Tensor, weights: Tensor, hidden_weights: Tensor) -> tuple[Tensor, ...]:
    """The layer on an input and weights that are tensors already; everything else is as the node says."""
    settings = recurrent_settings(call, kind)
    b, count = call.builder, len(settings.reverse)
    bias = call.ranked(BIAS, 2, 2, "bias") if call.has(BIAS) else None
    _check(call, kind, count, x, weights, hidden_weights, bias)
    peepholes = call.ranked(PEEPHOLES, 2, 2, "weight") if kind == "lstm" and call.has(PEEPHOLES) else None
    states, (lengths, steps) = _states(call, kind), _lengths(call)
    given = [t for t in (bias, peepholes, lengths, *states) if t is not None]
    with b.region(Operation(kind), x, weights, hidden_weights, *given) as region:
        by_example = x if settings.by_example else b.transpose(x, (1, 0, 2))
        missing = by_example.shape[1] - steps
        by_example = by_example if same(missing, 0) else b.pad(by_example, 1, 0, -missing)
        batch, hidden = by_example.shape[0], hidden_weights.shape[2]
        parts = zip(*(_directions_of(b, t, count) for t in (weights, hidden_weights, bias)), strict=True)
        cells = [_cell(b, kind, part, hidden) for part in parts]
        initial = _initial(b, kind, settings, states, (batch, hidden), x.dtype)
        if settings.form == PLAIN[kind] and peepholes is None and lengths is None:
            starts = initial if any(state is not None for state in states) else ()
            y, finals = recurrent_layer(b, kind, by_example, cells, reverse=settings.reverse, initial=starts)
            apart = b.transpose(b.reshape(y, (*y.shape[:2], count, hidden)), (1, 2, 0, 3))
        else:
            parts = zip(cells, settings.functions, _directions_of(b, peepholes, count), strict=True)
            formed = [_formed(b, settings, hidden, *part) for part in parts]
            apart, finals = _directions(b, kind, by_example, formed, settings.reverse, initial, lengths)
        apart = apart if same(missing, 0) else b.pad(apart, 0, 0, missing)
        region.returns(*_results(b, apart, finals, settings))
    return tuple(region.outputs)


for _kind in CELLS:
    lowers(_kind.upper())(partial(_layer, kind=_kind))


# ------------------------------------------------------------------- operands
def _check(call: Call, kind: str, directions: int, x: Tensor, w: Tensor, r: Tensor, bias: Tensor | None) -> None:
    hidden = r.shape[2]
    stated = call.attributes.integer("hidden_size", -1)
    if stated >= 0 and not is_symbolic(hidden) and stated != hidden:
        raise ShapeError(f"hidden_size {stated} contradicts weights for {hidden} units.")
    rows: Dim = CELLS[kind].gates * hidden
    expected: list[tuple[Tensor, Shape]] = [(w, (directions, rows, x.shape[2])), (r, (directions, rows, hidden))]
    expected += [] if bias is None else [(bias, (directions, 2 * rows))]
    for tensor, shape in expected:
        if not all(same(a, b) for a, b in zip(tensor.shape, shape, strict=True)):
            raise ShapeError(f"weights of {shape_text(tensor.shape)} where {shape_text(shape)} are needed.")


def _states(call: Call, kind: str) -> list[Tensor | None]:
    """The initial states that are given; a constant one is no parameter."""
    places = range(FIRST_STATE, FIRST_STATE + CELLS[kind].states)
    for place in places:
        if call.has(place) and len(call.value(place).shape) != 3:
            raise ShapeError(f"operand {place + 1} must have 3 axes, received {len(call.value(place).shape)}.")
    return [call.constant(place) if call.has(place) else None for place in places]


def _lengths(call: Call) -> tuple[Tensor | None, Dim]:
    """How long each example's sequence is, None if all have one length; and how many steps are taken."""
    steps = call.value(0).shape[1 if call.attributes.flag("layout", False) else 0]
    if not call.has(LENGTHS):
        return None, steps
    try:
        known = call.numbers(LENGTHS)
    except Unlowered:
        known = []
    if known and min(known) == max(known):
        return None, known[0]
    call.note(_BOUND)
    return call.constant(LENGTHS), max(known) if known else steps


_BOUND = "Sequences are counted as long as the longest, an upper bound: steps that an example does not have are masked."


def _initial(
    b: Builder, kind: str, settings: RecurrentSettings, states: Sequence[Tensor | None], shape: Shape, dtype: str
) -> list[State]:
    """Each direction's states, which are zero where none are given."""
    count = len(settings.reverse)

    def apart(state: Tensor | None) -> list[Tensor]:
        if state is None:
            return [b.full(shape, 0.0, dtype) for _ in range(count)]
        return _directions_of(b, b.transpose(state, (1, 0, 2)) if settings.by_example else state, count)

    return [list(each) for each in zip(*map(apart, states), strict=True)]


def _directions_of(b: Builder, tensor: Tensor | None, count: int) -> list[Any]:
    """Each direction's part of stacked weights or states; None if they are not given."""
    if tensor is None:
        return [None] * count
    return [b.reshape(part, tensor.shape[1:]) for part in b.chunk(tensor, count, 0)]


# ------------------------------------------------------------------- cells
def _cell(b: Builder, kind: str, tensors: Sequence[Tensor | None], hidden: Dim) -> CellWeights:
    """One direction's weights in our order of gates."""
    weights, hidden_weights, bias = tensors
    assert weights is not None
    assert hidden_weights is not None
    biases = () if bias is None else (_ordered(b, kind, part, hidden) for part in b.chunk(bias, 2, 0))
    return CellWeights(_ordered(b, kind, weights, hidden), _ordered(b, kind, hidden_weights, hidden), *biases)


def _ordered(b: Builder, kind: str, tensor: Tensor, hidden: Dim) -> Tensor:
    """The blocks of H rows in our order."""
    pieces = b.split(tensor, (hidden,) * len(GATES[kind]), 0)
    return b.concat([pieces[gate] for gate in GATES[kind]], 0)


def _formed(
    b: Builder, settings: RecurrentSettings, hidden: Dim, weights: CellWeights,
    functions: tuple[Function, ...], peepholes: Tensor | None,
) -> FormedCell:  # fmt: skip
    seen = () if peepholes is None else b.split(peepholes, (hidden,) * 3, 0)
    return FormedCell(weights, functions, settings.clip, seen, settings.coupled, settings.reset_first)


def _directions(
    b: Builder, kind: str, x: Tensor, cells: Sequence[FormedCell], reverse: Sequence[bool], initial: Sequence[State],
    lengths: Tensor | None,
) -> tuple[Tensor, list[State]]:  # fmt: skip
    """The states of all steps (T, D, B, H), and each direction's final states."""
    seen = None if lengths is None else seen_steps(b, lengths, x.shape[1])
    found = [
        formed_recurrent(b, kind, x, cell, states, reverse=backwards, seen=seen)
        for cell, states, backwards in zip(cells, initial, reverse, strict=True)
    ]
    return b.concat([b.unsqueeze(y, 1) for y, _ in found], 1), [states for _, states in found]


def _results(b: Builder, y: Tensor, finals: Sequence[State], settings: RecurrentSettings) -> list[Tensor]:
    """Every step's hidden state (T, D, B, H), then each final state (D, B, H), or with the examples first."""
    stacks = [b.concat([b.unsqueeze(state, 0) for state in states], 0) for states in zip(*finals, strict=True)]
    if settings.by_example:
        return [b.transpose(y, (2, 0, 1, 3)), *(b.transpose(stack, (1, 0, 2)) for stack in stacks)]
    return [y, *stacks]
