"""Recurrent layers as ONNX's RNN, LSTM and GRU, whose gates stand in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nncost.backends.meaning.layers import Direction, Recurrent
from nncost.backends.onnx.emitter import Emitter, numpy_type
from nncost.ir.graph import Tensor

Array = Any
Named = Callable[[Tensor], str]
Valued = Callable[[Tensor], Array]
"""A parameter's numbers, or None for a tensor that is computed or has been written already."""
GATES: Mapping[str, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Where ONNX's gates stand in PyTorch's order: i o f c of i f c o, z r h of r z h."""
_NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def emit_recurrent(e: Emitter, name: Named, value: Valued, path: str, layer: Recurrent) -> list[str]:
    """The names of the joined outputs and of each direction's final state, as the region has them.

    Weights known by value are written as the operator wants them, others are brought into that form.
    """
    directions = sorted(layer.directions, key=lambda direction: direction.reverse)
    kind, hidden = layer.kind, layer.hidden

    def stacked(tensors: Sequence[str]) -> str:
        parts = [e.node("Unsqueeze", [tensor, e.integers([0])], path=path) for tensor in tensors]
        return parts[0] if len(parts) == 1 else e.node("Concat", parts, path=path, axis=0)

    def ordered(tensor: str) -> str:
        return _ordered(e, path, tensor, GATES[kind], hidden)

    weights = _stored(e, value, path, layer, directions)
    if not weights:
        weights = [stacked([ordered(name(tensor)) for tensor in tensors]) for tensors in _matrices(directions)]
        if any(direction.input_bias is not None for direction in directions):
            weights.append(stacked([_biases(e, path, name, direction, ordered) for direction in directions]))
    by_time = e.node("Transpose", [name(layer.x)], path=path, perm=[1, 0, 2])
    way = "bidirectional" if len(directions) > 1 else "reverse" if directions[0].reverse else "forward"
    extra = {"linear_before_reset": 1} if kind == "gru" else {}
    outputs, *states = e.several(
        _NAMES[kind], [by_time, *weights], 3 if layer.cells else 2, path=path, hidden_size=hidden, direction=way, **extra
    )  # fmt: skip
    # (T, directions, B, H) → (B, T, directions·H)
    swapped = e.node("Transpose", [outputs], path=path, perm=[2, 0, 1, 3])
    joined = e.node("Reshape", [swapped, e.integers([0, 0, hidden * len(directions)])], path=path)
    return [joined, *(final for state in states for final in _apart(e, path, state, len(directions)))]


def _stored(e: Emitter, value: Valued, path: str, layer: Recurrent, directions: Sequence[Direction]) -> list[str]:
    """Initializers W, R and B; none where a weight is computed, or a single bias would need zeros beside it."""
    biases = [bias for d in directions for bias in (d.input_bias, d.hidden_bias)]
    values = [value(tensor) for d in directions for tensor in (d.input, d.hidden)]
    values += [None if bias is None else value(bias) for bias in biases if any(b is not None for b in biases)]
    if any(array is None for array in values):
        return []

    def rows(tensor: Tensor | None) -> Array:
        assert tensor is not None
        blocks = np.split(np.asarray(value(tensor)), len(GATES[layer.kind]))
        return np.concatenate([blocks[gate] for gate in GATES[layer.kind]])

    arrays = {"W": np.stack([rows(d.input) for d in directions]), "R": np.stack([rows(d.hidden) for d in directions])}
    if len(values) > len(directions) * 2:
        arrays["B"] = np.stack([np.concatenate([rows(d.input_bias), rows(d.hidden_bias)]) for d in directions])
    kind = numpy_type(layer.x.dtype)
    return [e.array(array.astype(kind), f"{path}.{letter}".strip(".")) for letter, array in arrays.items()]


def _apart(e: Emitter, path: str, state: str, directions: int) -> list[str]:
    """Each direction's part (B, H) of a final state (directions, B, H)."""
    parts = [state] if directions == 1 else e.several("Split", [state], 2, path=path, axis=0, num_outputs=2)
    return [e.node("Squeeze", [part, e.integers([0])], path=path) for part in parts]


def _matrices(directions: Sequence[Direction]) -> list[list[Tensor]]:
    return [[direction.input for direction in directions], [direction.hidden for direction in directions]]


def _ordered(e: Emitter, path: str, tensor: str, gates: Sequence[int], hidden: int) -> str:
    """The blocks of H rows in ONNX's order."""
    if len(gates) == 1:
        return tensor
    pieces = e.several("Split", [tensor, e.integers([hidden] * len(gates))], len(gates), path=path, axis=0)
    return e.node("Concat", [pieces[gate] for gate in gates], path=path, axis=0)


def _biases(e: Emitter, path: str, name: Named, direction: Direction, ordered: Callable[[str], str]) -> str:
    """Both biases in a row; one that is not there is zero."""
    given = [None if b is None else ordered(name(b)) for b in (direction.input_bias, direction.hidden_bias)]
    present = next(bias for bias in given if bias is not None)
    rows = next(b for b in (direction.input_bias, direction.hidden_bias) if b is not None).shape[0]
    assert isinstance(rows, int)
    if given[1] is None:
        return e.node("Pad", [present, e.integers([0, rows])], path=path)
    if given[0] is None:
        return e.node("Pad", [present, e.integers([rows, 0])], path=path)
    return e.node("Concat", [bias for bias in given if bias is not None], path=path, axis=0)
