"""Recurrent cells in the forms that PyTorch does not have.

Other functions of the gates, bounds, peepholes, coupled gates, the reset gate before the product, and sequences of
several lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import activation
from nncost.ir.library.recurrent import CellWeights, State
from nncost.records import record

Function = tuple[str, tuple[float, ...]]
"""The name and the settings of an activation."""


@record
class FormedCell:
    """One direction: its weights in PyTorch's order of gates, and what its cell does.

    ``functions`` are those of the gates, then of the new values, then of an LSTM's output. ``clip`` bounds what the
    first two read. ``peepholes`` (H,) of the input, output and forget gate multiply the cell state. ``coupled`` forgets what is
    not written, and has no product for it; ``reset_first`` resets the state of a GRU before the product.
    """

    weights: CellWeights
    functions: tuple[Function, ...]
    clip: float | None = None
    peepholes: tuple[Tensor, ...] = ()
    coupled: bool = False
    reset_first: bool = False

    def function(self, b: Builder, number: int, x: Tensor, *, bounded: bool = True) -> Tensor:
        """One of its functions: 2 cmp more for an element if there is a bound."""
        name, settings = self.functions[number]
        if bounded and self.clip is not None:
            x = b.map("clip", x, -self.clip, self.clip)
        return activation(b, name, x, *settings)


Step = Callable[[Builder, FormedCell, Tensor, State], State]


def formed_recurrent(
    b: Builder, kind: str, x: Tensor, cell: FormedCell, initial: Sequence[Tensor],
    *, reverse: bool = False, seen: Tensor | None = None,
) -> tuple[Tensor, State]:  # fmt: skip
    """``x`` (B, T, F) gives the states of all steps (T, B, H) and the final states (B, H).

    ``seen`` (T, B, 1) says which steps an example has: others leave its states as they are, at 1 cmp for an element
    of each state, and their outputs are zero, at 1 cmp more.
    """
    cell = _without_coupled_gate(b, kind, cell)
    projected = _product(b, "btf,gf->tbg", x, cell.weights.input, cell.weights.input_bias)

    def step(body: Builder, carried: State, scanned: list[Tensor]) -> tuple[State, State]:
        with body.region(Operation("step"), *scanned, *carried, *cell.weights.tensors()[1:]) as region:
            new = _STEPS[kind](body, cell, scanned[0], carried)
            output = new[0]
            if seen is not None:
                mask = body.broadcast(scanned[1], output.shape)
                new = [body.map("select", mask, fresh, old) for fresh, old in zip(new, carried, strict=True)]
                output = body.map("select", mask, output, 0.0)
            region.returns(*new, *([] if seen is None else [output]))
        return new, [output]

    given = [projected, *([] if seen is None else [seen])]
    finals, (outputs,) = b.repeat(x.shape[1], list(initial), step, scanned=given, reverse=reverse)
    return outputs, finals


def seen_steps(b: Builder, lengths: Tensor, count: Dim) -> Tensor:
    """Which of T steps examples of these lengths (B,) have: (T, B, 1); 1 whole number for each."""
    step = b.emit(ops.Constant("iota", (count, 1), lengths.dtype))
    return b.unsqueeze(b.map("greater", b.unsqueeze(lengths, 0), step), 2)


def _product(b: Builder, spec: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = b.contract(spec, x, weight)
    return y if bias is None else b.map("add", y, bias)


def _hidden(b: Builder, state: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _product(b, "bh,gh->bg", state, weight, bias)


def _without_coupled_gate(b: Builder, kind: str, cell: FormedCell) -> FormedCell:
    """The cell without the rows of a gate that follows from another one, or with those of a GRU's new values apart."""
    if kind != "lstm" or not cell.coupled:
        return cell

    def kept(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        into, _, new, out = b.chunk(tensor, 4, 0)
        return b.concat([into, new, out], 0)

    w = cell.weights
    first, second = kept(w.input), kept(w.hidden)
    assert first is not None
    assert second is not None
    weights = CellWeights(first, second, kept(w.input_bias), kept(w.hidden_bias))
    return FormedCell(weights, cell.functions, cell.clip, cell.peepholes, coupled=True)


def _rnn_step(b: Builder, cell: FormedCell, x: Tensor, state: State) -> State:
    """h' = f(x + R·h)."""
    w = cell.weights
    return [cell.function(b, 0, b.map("add", x, _hidden(b, state[0], w.hidden, w.hidden_bias)))]


def _lstm_step(b: Builder, cell: FormedCell, x: Tensor, state: State) -> State:
    """c' = f·c + i·g, h' = o·h(c'); peepholes add p·c to i and f, and p·c' to o. The bound is for gates, as in onnxruntime."""
    w, (hidden, memory) = cell.weights, state
    gates = b.map("add", x, _hidden(b, hidden, w.hidden, w.hidden_bias))
    into, *forget, new, out = b.chunk(gates, 3 if cell.coupled else 4, -1)

    def seeing(gate: Tensor, number: int, memory: Tensor) -> Tensor:
        peephole = cell.peepholes[number : number + 1]
        return b.map("add", gate, b.map("mul", peephole[0], memory)) if peephole else gate

    written = cell.function(b, 0, seeing(into, 0, memory))
    kept = b.map("sub", 1.0, written) if cell.coupled else cell.function(b, 0, seeing(forget[0], 2, memory))
    fresh = b.map("add", b.map("mul", kept, memory), b.map("mul", written, cell.function(b, 1, new)))
    opened = cell.function(b, 0, seeing(out, 1, fresh))
    return [b.map("mul", opened, cell.function(b, 2, fresh, bounded=False)), fresh]


def _gru_step(b: Builder, cell: FormedCell, x: Tensor, state: State) -> State:
    """h' = (1−z)·n + z·h with n = g(xn + r·(R·h)), or ``reset_first`` n = g(xn + R·(r·h))."""
    w, h = cell.weights, state[0]
    size = w.hidden.shape[1]
    gates_x, new_x = b.split(x, (2 * size, size), -1)
    both, new = b.split(w.hidden, (2 * size, size), 0)
    both_bias, new_bias = (None, None) if w.hidden_bias is None else b.split(w.hidden_bias, (2 * size, size), 0)
    gates = b.map("add", gates_x, _hidden(b, h, both, both_bias))
    reset, update = (cell.function(b, 0, gate) for gate in b.chunk(gates, 2, -1))
    if cell.reset_first:
        from_hidden = _hidden(b, b.map("mul", reset, h), new, new_bias)
    else:
        from_hidden = b.map("mul", reset, _hidden(b, h, new, new_bias))
    fresh = cell.function(b, 1, b.map("add", new_x, from_hidden))
    return [b.map("add", b.map("mul", b.map("sub", 1.0, update), fresh), b.map("mul", update, h))]


_STEPS: Mapping[str, Step] = {"rnn": _rnn_step, "lstm": _lstm_step, "gru": _gru_step}
