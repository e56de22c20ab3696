"""Recurrent layers as ONNX's RNN, LSTM and GRU, whose gates stand in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from nncost.backends.onnx.emitter import Emitter, numpy_type
from nncost.ir.graph import Tensor
from nncost.ir.layers import Recurrent
from nncost.ir.library.recurrent import CELLS, CellWeights

Array = Any
Named = Callable[[Tensor], str]
Valued = Callable[[Tensor], Array]
"""A parameter's numbers, or None for a tensor that is computed or has been written already."""
GATES: Mapping[str, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Where ONNX's gates stand in PyTorch's order: i o f c of i f c o, z r h of r z h."""
_NAMES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def emit_recurrent(
    e: Emitter, name: Named, value: Valued, path: str, layer: Recurrent, x: Tensor, directions: Sequence[CellWeights]
) -> list[str]:
    """Return the names of the joined outputs and of each direction's final states, as the region has them.

    Weights known by value are written as the operator wants them, others are brought into that form.
    """
    kind, hidden = layer.cell, cast("int", layer.hidden)

    def stacked(tensors: Sequence[str]) -> str:
        parts = [e.node("Unsqueeze", [tensor, e.integers([0])], path=path) for tensor in tensors]
        return parts[0] if len(parts) == 1 else e.node("Concat", parts, path=path, axis=0)

    def ordered(tensor: Tensor) -> str:
        return _ordered(e, path, name(tensor), GATES[kind], hidden)

    weights = _stored(e, value, path, kind, x.dtype, directions)
    if not weights:
        weights = [stacked([ordered(d.input) for d in directions]), stacked([ordered(d.hidden) for d in directions])]
        if layer.biases:
            weights.append(stacked([_biases(e, path, direction, ordered) for direction in directions]))
    by_time = e.node("Transpose", [name(x)], path=path, perm=[1, 0, 2])
    way = "bidirectional" if len(directions) > 1 else "reverse" if layer.reverse[0] else "forward"
    extra = {"linear_before_reset": 1} if kind == "gru" else {}
    outputs, *states = e.several(
        _NAMES[kind], [by_time, *weights], 1 + CELLS[kind].states, path=path, hidden_size=hidden, direction=way, **extra
    )  # fmt: skip
    # (T, directions, B, H) → (B, T, directions·H)
    swapped = e.node("Transpose", [outputs], path=path, perm=[2, 0, 1, 3])
    joined = e.node("Reshape", [swapped, e.integers([0, 0, hidden * len(directions)])], path=path)
    return [joined, *(final for state in states for final in _apart(e, path, state, len(directions)))]


def _stored(
    e: Emitter, value: Valued, path: str, kind: str, dtype: str, directions: Sequence[CellWeights]
) -> list[str]:
    """Initializers W, R and B; none if a weight is computed or there is a single bias, which would need zeros beside it."""
    if directions[0].biases == 1 or any(value(tensor) is None for d in directions for tensor in d.tensors()):
        return []

    def rows(tensor: Tensor | None) -> Array:
        assert tensor is not None
        blocks = np.split(np.asarray(value(tensor)), len(GATES[kind]))
        return np.concatenate([blocks[gate] for gate in GATES[kind]])

    arrays = {"W": np.stack([rows(d.input) for d in directions]), "R": np.stack([rows(d.hidden) for d in directions])}
    if directions[0].biases:
        arrays["B"] = np.stack([np.concatenate([rows(d.input_bias), rows(d.hidden_bias)]) for d in directions])
    return [e.array(a.astype(numpy_type(dtype)), f"{path}.{letter}".strip(".")) for letter, a in arrays.items()]


def _apart(e: Emitter, path: str, state: str, directions: int) -> list[str]:
    """Each direction's part (B, H) of a final state (directions, B, H)."""
    parts = [state] if directions == 1 else e.several("Split", [state], 2, path=path, axis=0, num_outputs=2)
    return [e.node("Squeeze", [part, e.integers([0])], path=path) for part in parts]


def _ordered(e: Emitter, path: str, tensor: str, gates: Sequence[int], hidden: int) -> str:
    """The blocks of H rows in ONNX's order."""
    if len(gates) == 1:
        return tensor
    pieces = e.several("Split", [tensor, e.integers([hidden] * len(gates))], len(gates), path=path, axis=0)
    return e.node("Concat", [pieces[gate] for gate in gates], path=path, axis=0)


def _biases(e: Emitter, path: str, direction: CellWeights, ordered: Callable[[Tensor], str]) -> str:
    """Both biases in a row; a hidden one that is not there is zero."""
    assert direction.input_bias is not None
    first = ordered(direction.input_bias)
    if direction.hidden_bias is not None:
        return e.node("Concat", [first, ordered(direction.hidden_bias)], path=path, axis=0)
    return e.node("Pad", [first, e.integers([0, cast("int", direction.input_bias.shape[0])])], path=path)
