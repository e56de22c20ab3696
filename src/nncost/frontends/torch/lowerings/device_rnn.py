"""Whole recurrent networks of a device's library, by the cell repeated in each layer and direction."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.recurrent import CellWeights, recurrent

_MODES = {1: "rnn", 2: "lstm", 3: "gru"}
"""cuDNN's numbers for the cell; a cell with ReLU (0) is refused."""


def _weights(call: Call) -> list[Tensor]:
    given = call["weight"] if "weight" in call.arguments else call["weights"]
    return list(given)


def _network(call: Call, b: Builder, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """All layers: weights stand by layer and direction, two or (with biases) four for each."""
    kind = _MODES[call.get("mode", 2)]
    directions = 2 if call.get("bidirectional", False) else 1
    each = len(weights) // (call["num_layers"] * directions)
    y = x if call.get("batch_first", False) else b.transpose(x, (1, 0, 2))
    for layer in range(call["num_layers"]):
        sides = []
        for direction in range(directions):
            start = (layer * directions + direction) * each
            out, _ = recurrent(b, kind, y, CellWeights(*weights[start : start + each]), reverse=direction == 1)
            sides.append(out)
        y = sides[0] if directions == 1 else b.emit(ops.Concat(2), *sides)
    return y if call.get("batch_first", False) else b.transpose(y, (1, 0, 2))


@lowers("aten::_cudnn_rnn", "aten::miopen_rnn", "aten::_lstm_mps")
def _forward(call: Call) -> Lowered:
    if call.get("batch_sizes") or call.get("proj_size", 0):
        raise NotImplementedError
    y = _network(call, call.builder, call.tensor("input"), _weights(call))
    return (y, *(None for _ in call.outputs[1:]))


@lowers("aten::_cudnn_rnn_backward", "aten::miopen_rnn_backward")
def _backward(call: Call) -> Lowered:
    """The gradients of the input and of every weight, where the mask asks for them; states start from zeros."""
    if call.get("batch_sizes") or call.get("proj_size", 0):
        raise NotImplementedError
    mask = [bool(flag) for flag in call.get("output_mask", (True,) * 4)]
    weights = _weights(call)

    def forward(past: Builder, x: Tensor, *given: Tensor) -> Tensor:
        return _network(call, past, x, given)

    wanted = [mask[0], *[mask[3]] * len(weights)]
    found = gradient(call.builder, forward, (call.tensor("input"), *weights), call.tensor("grad_output"), wanted)
    return (found[0], None, None, *found[1:])
