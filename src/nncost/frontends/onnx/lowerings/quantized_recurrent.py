"""Recurrent layers whose inputs and states are brought to eight bits at each step."""

from __future__ import annotations

from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.recurrent import recurrent
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.dynamic_quantization import quantization_work, unscaled

GATES = 4
W_SCALE, R_SCALE = 8, 10
"""Positions of the steps of both weights; their zero points stand behind them."""


@lowers("com.microsoft.DynamicQuantizeLSTM")
def _lstm(call: Call) -> Lowered:
    """``X`` (T, B, F), small ``W`` (D, F, 4H) and ``R`` (D, H, 4H): an LSTM, and its input and states in eight bits."""
    x = call.ranked(0, 3, 3)
    weights, hidden_weights = (_weights(call, n, step, x.dtype) for n, step in ((1, W_SCALE), (2, R_SCALE)))
    steps, batch, features = x.shape
    directions, hidden = hidden_weights.shape[0], hidden_weights.shape[2]
    x = quantization_work(
        call.builder, x, elements=directions * steps * batch * (features + hidden), ranges=directions * (1 + steps),
        sums=2 * GATES * directions * steps * batch * hidden,
    )  # fmt: skip
    return recurrent(call, "lstm", x, weights, hidden_weights)


def _weights(call: Call, position: int, step: int, dtype: str) -> Tensor:
    """Weights as floats, with a row for each unit of a gate."""
    b, small = call.builder, call.ranked(position, 3, 3, "weight")
    zero = _placed(b, call.constant(step + 1)) if call.has(step + 1) else None
    return b.transpose(unscaled(b, small, _placed(b, call.constant(step)), zero, dtype), (0, 2, 1))


def _placed(b: Builder, steps: Tensor) -> Tensor:
    """One step per direction, or per direction and column, beside weights of three axes."""
    return b.reshape(steps, (steps.shape[0], 1, *(steps.shape[1:] or (1,))))
