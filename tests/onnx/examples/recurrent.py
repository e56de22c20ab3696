"""Examples of recurrent layers in the forms that PyTorch does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.onnx.examples.example import Example, weights
from tests.onnx.models import node

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
PARTS = ("b", "n", "h", "c", "p")
"""The operands behind X, W and R, in their order."""


def formed(op: str, given: str = "", *, x: tuple[int, int, int] = (3, 2, 3), **attributes: Any) -> Example:
    """A layer of 2 units over T steps of B examples; ``given`` names the operands it has of :data:`PARTS`."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    by_example = bool(attributes.get("layout"))
    batch = x[0] if by_example else x[1]
    rows, state = 2 * GATES[op], (batch, directions, 2) if by_example else (directions, batch, 2)
    arrays = {"w": weights(directions, rows, 3), "r": weights(directions, rows, 2) - 0.5}
    more: Mapping[str, tuple[int, ...]] = {"b": (directions, 2 * rows), "p": (directions, 6)}
    arrays |= {name: weights(*more[name]) - 0.4 for name in given if name in more}
    arrays |= {"n": np.array([1, 3][:batch], dtype=np.int32)} if "n" in given else {}
    inputs = {"x": x} | {name: state for name in given if name in "hc"}
    outputs = "y z q" if op == "LSTM" else "y z"
    names = ["x", "w", "r", *(name if name in given else "-" for name in PARTS[: 5 if op == "LSTM" else 3])]
    made = node(op, " ".join(names), outputs, hidden_size=2, **attributes)
    label = f"{op}({given},{attributes})"
    return Example(label, [made], inputs, arrays, 21, tuple(outputs.split()))


EXAMPLES = [
    formed("GRU", "b"), formed("GRU", "bh", direction="bidirectional"),
    formed("GRU", "b", clip=0.3), formed("GRU", clip=0.3, linear_before_reset=1, direction="reverse"),
    formed("LSTM", "bp"), formed("LSTM", "bhcp", direction="bidirectional", clip=0.5), formed("LSTM", "bc"),
    formed("LSTM", "b", input_forget=1), formed("LSTM", "h", activations=["HardSigmoid", "Relu", "Softsign"]),
    formed("LSTM", "b", activations=["Sigmoid", "Affine", "ScaledTanh"], activation_alpha=[0.5, 2.0], activation_beta=[0.1, 0.7]),
    formed("RNN", "bh", activations=["LeakyRelu"], activation_alpha=[0.3]), formed("RNN", "b", activations=["Elu"]),
    formed("RNN", direction="bidirectional", activations=["Relu", "Softplus"]),
    formed("RNN", "n", direction="bidirectional"), formed("LSTM", "bnhcp", direction="reverse"), formed("GRU", "bn"),
]  # fmt: skip
