"""Fused recurrent layers, single cells and whole encoder layers."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.frontends.torch.lowerings.gradient import Forward, composite, gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.recurrent import CELLS, CellWeights, recurrent
from nncost.ir.library.recurrent_network import recurrent_network


# -------------------------------------------------------------------- one layer of oneDNN
def _layer(call: Call) -> Forward:
    """One layer in one direction, ``(T, B, F) → (T, B, H)``, and its final states; states are (1, B, H)."""

    def apply(b: Builder, x: Tensor, *rest: Tensor) -> list[Tensor]:
        weights, states = rest[:4], [b.reshape(x, tuple(x.shape[-2:])) for x in rest[4:]]
        whole = CellWeights(*weights) if call["has_biases"] else CellWeights(*weights[:2])
        y, finals = recurrent(
            b, "lstm", b.transpose(x, (1, 0, 2)), whole, reverse=bool(call["reverse"]), initial=states
        )
        return [b.transpose(y, (1, 0, 2)), *finals]

    return apply


lowers("aten::mkldnn_rnn_layer")(
    composite(_layer, "input", "weight0", "weight1", "weight2", "weight3", "hx_", "cx_|cx_tmp")
)


@lowers("aten::mkldnn_rnn_layer_backward")
def _layer_backward(call: Call) -> Lowered:
    """Gradients of the input and the states only where they lead to something that is trained."""
    names = ("input", "weight1", "weight2", "weight3", "weight4", "hx_", "cx_tmp")
    operands = [call.tensor(name) for name in names]
    seeds = [call.get(name) for name in ("grad_output", "grad_hy", "grad_cy")]
    return gradient(call.builder, _layer(call), operands, seeds, call.get("asked", (True,) * 7)[:7])


# -------------------------------------------------------------------- whole networks of a device's library
_MODES = {1: "rnn", 2: "lstm", 3: "gru"}
"""cuDNN's numbers for the cell; a cell with ReLU (0) is refused."""


def _network(call: Call) -> Forward:
    """All layers: weights stand by layer and direction, two or (with biases) four each."""
    if call.get("batch_sizes") or call.get("proj_size", 0):
        raise NotImplementedError
    layers, directions = call["num_layers"], 2 if call.get("bidirectional", False) else 1

    def apply(b: Builder, x: Tensor, *weights: Tensor) -> Tensor:
        each = len(weights) // (layers * directions)
        cells = [CellWeights(*weights[start : start + each]) for start in range(0, len(weights), each)]
        stacked = [cells[start : start + directions] for start in range(0, len(cells), directions)]
        kind, batch_first = _MODES[call.get("mode", 2)], call.get("batch_first", False)
        return recurrent_network(b, kind, x, stacked, batch_first=batch_first)

    return apply


def _operands(call: Call) -> list[Tensor]:
    return [call.tensor("input"), *call["weight" if "weight" in call.arguments else "weights"]]


@lowers("aten::_cudnn_rnn", "aten::miopen_rnn", "aten::_lstm_mps")
def _device_rnn(call: Call) -> Lowered:
    return composite(_network, *(lambda _, x=x: x for x in _operands(call)))(call)


@lowers("aten::_cudnn_rnn_backward", "aten::miopen_rnn_backward")
def _device_rnn_backward(call: Call) -> Lowered:
    """The gradients of the input and of every weight, if the mask asks for them; states start from zeros."""
    operands, mask = _operands(call), [bool(flag) for flag in call.get("output_mask", (True,) * 4)]
    wanted = [mask[0], *[mask[3]] * (len(operands) - 1)]
    first, *rest = gradient(call.builder, _network(call), operands, call.tensor("grad_output"), wanted)
    return (first, None, None, *rest)


# -------------------------------------------------------------------- single cells
def _biased(call: Call) -> tuple[Tensor, Tensor]:
    """The gates from the input and from the state, with their biases."""
    pair = []
    for gates, bias in (("input_gates", "input_bias"), ("hidden_gates", "hidden_bias")):
        x, given = call.tensor(gates), call.get(bias)
        pair.append(x if given is None else call.builder.map("add", x, given))
    return pair[0], pair[1]


@lowers("aten::_thnn_fused_lstm_cell")
def _lstm(call: Call) -> Lowered:
    cell = call.tensor("cx")
    hidden, new = CELLS["lstm"].step(call.builder, *_biased(call), [cell, cell])
    return hidden, new, None


@lowers("aten::_thnn_fused_gru_cell")
def _gru(call: Call) -> Lowered:
    return CELLS["gru"].step(call.builder, *_biased(call), [call.tensor("hx")])[0], None


def _with_biases(call: Call, found: Sequence[Tensor | None], sums: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The gradients found, and those of the biases: the gates' summed over the batch."""
    b = call.builder
    with b.at(b.path, "backward"):
        if not call.get("has_bias", True):
            return [*found, *(None for _ in sums)]
        return [*found, *(g if g is None else b.reduce("sum", g, range(g.rank - 1)) for g in sums)]


@lowers("aten::_thnn_fused_lstm_cell_backward_impl", "aten::_thnn_fused_lstm_cell_backward")
def _lstm_backward(call: Call) -> Lowered:
    """Of the gates, the cell and (once for both) the bias, from what the forward left in the workspace."""
    b, cell = call.builder, call.tensor("cx")
    gates = b.input((*cell.shape[:-1], 4 * cell.shape[-1]), dtype=cell.dtype)

    def forward(past: Builder, gates: Tensor, cell: Tensor) -> Sequence[Tensor]:
        none = past.full(gates.shape, 0.0, gates.dtype)
        return CELLS["lstm"].step(past, gates, none, [cell, cell])

    found = gradient(b, forward, (gates, cell), [call.get("grad_hy"), call.get("grad_cy")], (True, True))
    return _with_biases(call, found, found[:1])


@lowers("aten::_thnn_fused_gru_cell_backward")
def _gru_backward(call: Call) -> Lowered:
    """Of both gates, the state and both biases."""
    b, g = call.builder, call.tensor("grad_hy")
    gates = (*g.shape[:-1], 3 * g.shape[-1])
    given = [b.input(shape, dtype=g.dtype) for shape in (gates, gates, g.shape)]

    def forward(past: Builder, x: Tensor, h: Tensor, state: Tensor) -> Sequence[Tensor]:
        return CELLS["gru"].step(past, x, h, [state])

    found = gradient(b, forward, given, g, (True, True, True))
    return _with_biases(call, found, found[:2])
