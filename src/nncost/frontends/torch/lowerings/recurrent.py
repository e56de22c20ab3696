"""Fused recurrent layers, by the cell repeated over the time steps."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.recurrent import CellWeights, recurrent


def _layer(b: Builder, call: Call, x: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor]) -> list[Tensor]:
    """One layer in one direction, ``(T, B, F) → (T, B, H)``, and its final states."""
    whole = CellWeights(*weights) if call["has_biases"] else CellWeights(*weights[:2])
    by_batch = b.transpose(x, (1, 0, 2))
    y, finals = recurrent(b, "lstm", by_batch, whole, reverse=bool(call["reverse"]), initial=states)
    return [b.transpose(y, (1, 0, 2)), *finals]


def _states(call: Call) -> list[Tensor]:
    """(1, B, H) as (B, H)."""
    cell = call.arguments.get("cx_", call.arguments.get("cx_tmp"))
    assert isinstance(cell, Tensor)
    return [call.builder.reshape(x, tuple(x.shape[-2:])) for x in (call.tensor("hx_"), cell)]


@lowers("aten::mkldnn_rnn_layer")
def _forward(call: Call) -> Lowered:
    weights = [call.tensor(f"weight{number}") for number in range(4)]
    y, hidden, cell = _layer(call.builder, call, call.tensor("input"), weights, _states(call))
    b = call.builder
    return y, b.reshape(hidden, call.outputs[1][0]), b.reshape(cell, call.outputs[2][0]), None


@lowers("aten::mkldnn_rnn_layer_backward")
def _backward(call: Call) -> Lowered:
    """Gradients of the input and the states only where they lead to something that is trained."""
    b, x = call.builder, call.tensor("input")
    weights = [call.tensor(f"weight{number}") for number in range(1, 5)]
    asked = call.get("asked", (True,) * 7)
    seeds = []
    for name in ("grad_output", "grad_hy", "grad_cy"):
        g = call.get(name)
        if g is not None and name != "grad_output":
            g = b.reshape(g, tuple(g.shape[-2:]))
        seeds.append(g)

    def forward(past: Builder, x: Tensor, *rest: Tensor) -> list[Tensor]:
        return _layer(past, call, x, rest[:4], rest[4:])

    found = gradient(b, forward, (x, *weights, *_states(call)), seeds, asked[:7])
    with b.at(b.path, "backward"):
        return [g if g is None else b.reshape(g, output[0]) for g, output in zip(found, call.outputs, strict=True)]
