"""Recurrent layers: a cell repeated over the time steps, in PyTorch's form and gate order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.dims import Dim
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Activation, Operation, Recurrent
from nncost.records import record

State = list[Tensor]


@record
class CellKind:
    """How many gates and states a cell has, how many activations a step takes, and its step."""

    gates: int
    states: int
    step: Callable[[Builder, Tensor, Tensor, State], State]


@record
class CellWeights:
    """``input`` (G·H, F), ``hidden`` (G·H, H) and their biases (G·H,)."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None

    def tensors(self) -> list[Tensor]:
        """Return those that are there."""
        given = (self.input, self.hidden, self.input_bias, self.hidden_bias)
        return [tensor for tensor in given if tensor is not None]

    @property
    def biases(self) -> int:
        """How many biases there are; a single one is the input's."""
        return len(self.tensors()) - 2


def recurrent(
    b: Builder, kind: str, x: Tensor, weights: CellWeights, *, reverse: bool = False, initial: Sequence[Tensor] = ()
) -> tuple[Tensor, State]:
    """``(B, T, F) → (B, T, H)`` and the final states ``(B, H)``; H neurons, from states of zero unless given.

    The input's contraction is done for all steps at once, the hidden state's once per step.
    """
    cell = CELLS[kind]
    batch, length, _ = x.shape
    hidden: Dim = weights.hidden.shape[1]
    states = list(initial) or [b.full((batch, hidden), 0.0, x.dtype) for _ in range(cell.states)]
    projected = b.contract("btf,gf->btg", x, weights.input)
    if weights.input_bias is not None:
        projected = b.map("add", projected, weights.input_bias)
    by_time = b.transpose(projected, (1, 0, 2))

    def step(body: Builder, carried: State, scanned: list[Tensor]) -> tuple[State, State]:
        given = (weights.hidden, *([] if weights.hidden_bias is None else [weights.hidden_bias]))
        with body.region(Operation("step"), scanned[0], *carried, *given) as region:
            product = body.contract("bh,gh->bg", carried[0], weights.hidden)
            if weights.hidden_bias is not None:
                product = body.map("add", product, weights.hidden_bias)
            new = cell.step(body, scanned[0], product, carried)
            region.returns(*new)
        return new, [new[0]]

    finals, (outputs,) = b.repeat(length, states, step, scanned=[by_time], reverse=reverse)
    return b.transpose(outputs, (1, 0, 2)), finals


def recurrent_layer(
    b: Builder,
    kind: str,
    x: Tensor,
    directions: Sequence[CellWeights],
    *,
    reverse: Sequence[bool] = (False,),
    initial: Sequence[State] = (),
) -> tuple[Tensor, list[State]]:
    """``(B, T, F) → (B, T, D·H)`` and the final states ``(B, H)`` of each of D directions, as one region.

    ``reverse`` says which directions start at the last step, ``initial`` gives each direction's states.
    """
    hidden = directions[0].hidden.shape[1]
    layer = Recurrent(kind, hidden, tuple(reverse), directions[0].biases, sum(map(len, initial)))
    operands = [tensor for weights in directions for tensor in weights.tensors()]
    operands += [state for states in initial for state in states]
    with b.region(layer, x, *operands, neurons=hidden * len(directions)) as region:
        outputs, finals = [], []
        for number, (weights, backwards) in enumerate(zip(directions, reverse, strict=True)):
            states = initial[number] if initial else ()
            y, final = recurrent(b, kind, x, weights, reverse=backwards, initial=states)
            outputs.append(y)
            finals.append(final)
        joined = b.concat(outputs, 2)
        region.returns(joined, *(state for states in zip(*finals, strict=True) for state in states))
    return joined, finals


def cell_weights(region: Region) -> list[CellWeights]:
    """Return the weights of each direction of a recurrent layer, read from the region's inputs."""
    layer = region.settings(Recurrent)
    each = 2 + layer.biases
    return [
        CellWeights(*region.inputs[1 + number * each : 1 + (number + 1) * each]) for number in range(len(layer.reverse))
    ]


def _rnn_step(b: Builder, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    """h' = tanh(from_input + from_hidden)."""
    return [_gate(b, "tanh", b.map("add", from_input, from_hidden))]


def _lstm_step(b: Builder, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    """c' = f·c + i·g, h' = o·tanh(c'), the gates i, f, g, o in this order: 5H activations."""
    into, forget, candidate, out = b.chunk(b.map("add", from_input, from_hidden), 4, -1)
    kept = b.map("mul", _gate(b, "sigmoid", forget), state[1])
    written = b.map("mul", _gate(b, "sigmoid", into), _gate(b, "tanh", candidate))
    cell = b.map("add", kept, written)
    return [b.map("mul", _gate(b, "sigmoid", out), _gate(b, "tanh", cell)), cell]


def _gru_step(b: Builder, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    """h' = (1−z)·n + z·h with n = tanh(xn + r·hn), the gates r, z, n in this order: 3H activations."""
    reset_x, update_x, new_x = b.chunk(from_input, 3, -1)
    reset_h, update_h, new_h = b.chunk(from_hidden, 3, -1)
    reset = _gate(b, "sigmoid", b.map("add", reset_x, reset_h))
    update = _gate(b, "sigmoid", b.map("add", update_x, update_h))
    new = _gate(b, "tanh", b.map("add", new_x, b.map("mul", reset, new_h)))
    return [b.map("add", b.map("mul", b.map("sub", 1.0, update), new), b.map("mul", update, state[0]))]


def _gate(b: Builder, function: str, x: Tensor) -> Tensor:
    """An activation inside a cell, counted as one."""
    with b.region(Activation(function), x, activations=x.elements) as region:
        y = b.map(function, x)
        region.returns(y)
    return y


CELLS: Mapping[str, CellKind] = {
    "rnn": CellKind(1, 1, _rnn_step),
    "lstm": CellKind(4, 2, _lstm_step),
    "gru": CellKind(3, 1, _gru_step),
}
