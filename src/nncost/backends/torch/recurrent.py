"""Recurrent layers as the fused operators behind ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import _VF

from nncost.backends.constants import Constants
from nncost.backends.operands import recurrent_weights
from nncost.backends.torch.call import TorchCall
from nncost.ir.graph import Region
from nncost.ir.layers import Recurrent

Value = Any
_OPERATORS: dict[str, Any] = {"rnn": _VF.rnn_tanh, "lstm": _VF.lstm, "gru": _VF.gru}


def recurrent_call(region: Region, constants: Constants) -> TorchCall | None:
    """Return the call on x and the weights and biases of each direction, or None for given initial states.

    A hidden bias that is missing is zero: the operators take both biases or none.
    """
    layer, directions = region.settings(Recurrent), recurrent_weights(region, constants)
    if directions is None:
        return None
    run = partial(_run, layer.cell, layer.hidden, len(directions), bool(layer.biases))
    if layer.reverse == (True,):
        run = partial(_backwards, run)
    each = 4 if layer.biases else 2
    weights = [t for d in directions for t in (d.input, d.hidden, d.input_bias, d.hidden_bias)[:each]]
    return TorchCall(run, (region.inputs[0], *weights), asks_mode=True)


def _backwards(run: Callable[..., Value], training: bool, x: Value, *weights: Value) -> tuple[Value, ...]:
    """A single direction from the last step to the first."""
    y, *states = run(training, x.flip(1), *weights)
    return (y.flip(1), *states)


def _run(
    kind: str, hidden: int, directions: int, has_bias: bool, training: bool, x: Value, *weights: Value
) -> tuple[Value, ...]:
    """The joined outputs, each direction's final hidden state, then the cell states."""
    flat = [torch.zeros_like(weights[position - 1]) if w is None else w for position, w in enumerate(weights)]
    zeros = torch.zeros(directions, x.shape[0], hidden, dtype=x.dtype, device=x.device)
    state = (zeros, zeros) if kind == "lstm" else zeros
    y, last, *rest = _OPERATORS[kind](x, state, flat, has_bias, 1, 0.0, training, directions == 2, True)
    return (y, *last.unbind(0), *(cells for state in rest for cells in state.unbind(0)))
