"""Recurrent layers as the fused operators behind ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import _VF

from nncost.backends.meaning.layers import Direction, Recurrent
from nncost.ir.graph import Tensor

Value = Any
_OPERATORS: dict[str, Any] = {"rnn": _VF.rnn_tanh, "lstm": _VF.lstm, "gru": _VF.gru}


def recurrent_call(layer: Recurrent) -> tuple[Callable[..., Value], tuple[Tensor | None, ...]]:
    """The function and its operands: x, then the weights and biases of each direction.

    A hidden bias that is not there is zero: the operators take both biases or none.
    """
    directions = sorted(layer.directions, key=lambda direction: direction.reverse)
    run = partial(_run, layer.kind, layer.hidden, len(directions), _has_bias(layer), layer.cells)
    if all(direction.reverse for direction in directions):
        run = partial(_backwards, run)
    return run, (layer.x, *(tensor for direction in directions for tensor in _weights(direction, _has_bias(layer))))


def _backwards(run: Callable[..., Value], training: bool, x: Value, *weights: Value) -> tuple[Value, ...]:
    """A single direction from the last step to the first."""
    y, *states = run(training, x.flip(1), *weights)
    return (y.flip(1), *states)


def _has_bias(layer: Recurrent) -> bool:
    return any(direction.input_bias is not None for direction in layer.directions)


def _weights(direction: Direction, has_bias: bool) -> tuple[Tensor | None, ...]:
    biases = (direction.input_bias, direction.hidden_bias) if has_bias else ()
    return (direction.input, direction.hidden, *biases)


def _run(
    kind: str, hidden: int, directions: int, has_bias: bool, cells: bool, training: bool, x: Value, *weights: Value
) -> tuple[Value, ...]:
    """The joined outputs and each direction's final hidden state, with ``cells`` the cell states too."""
    present = weights[2] if has_bias and weights[2] is not None else None
    flat = [
        torch.zeros_like(weights[place - 1] if present is None else present) if w is None else w
        for place, w in enumerate(weights)
    ]
    zeros = torch.zeros(directions, x.shape[0], hidden, dtype=x.dtype, device=x.device)
    state = (zeros, zeros) if kind == "lstm" else zeros
    y, last, *rest = _OPERATORS[kind](x, state, flat, has_bias, 1, 0.0, training, directions == 2, True)
    final = (y, *last.unbind(0))
    return (*final, *rest[0].unbind(0)) if cells else final
