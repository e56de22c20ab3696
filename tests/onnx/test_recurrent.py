"""Recurrent layers: roles and amounts by hand, and random forms against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from tests.onnx.examples.recurrent import GATES
from tests.onnx.models import assert_close, make_model, node, reference, saved

FUNCTIONS = {"RNN": 1, "LSTM": 3, "GRU": 2}
NAMES = (
    "Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign",
)  # fmt: skip
WITH_ALPHA = ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")
WITH_BETA = ("Affine", "ScaledTanh", "HardSigmoid")


def weights_of(rng: np.random.Generator, op: str, directions: int, sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    features, hidden = sizes
    rows = GATES[op] * hidden
    shapes = {"w": (directions, rows, features), "r": (directions, rows, hidden), "b": (directions, 2 * rows)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def attributes_of(rng: np.random.Generator, op: str, directions: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rng.random() < 0.4:
        found["clip"] = float(rng.uniform(0.1, 1))
    if op != "RNN" and rng.random() < 0.5:
        found |= {"linear_before_reset": 1} if op == "GRU" else {"input_forget": 1}
    if rng.random() < 0.5:
        names = [str(name) for name in rng.choice(NAMES, FUNCTIONS[op] * directions)]
        found["activations"] = names
        for letter, wanted in (("alpha", WITH_ALPHA), ("beta", WITH_BETA)):
            numbers = [float(rng.uniform(0.1, 1)) for name in names if name in wanted]
            found |= {f"activation_{letter}": numbers} if numbers else {}
    return found


@pytest.mark.parametrize("seed", range(60))
def test_random_forms(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    op, way = str(rng.choice(list(GATES))), str(rng.choice(["forward", "reverse", "bidirectional"]))
    steps, batch, features, hidden = (int(n) for n in rng.integers(1, 5, 4))
    directions = 2 if way == "bidirectional" else 1
    attributes = attributes_of(rng, op, directions)
    constants = weights_of(rng, op, directions, (features, hidden))
    lengths = rng.random() < 0.4
    names = ["x", "w", "r", "b", "n" if lengths else "-"]
    for state in "hc" if op == "LSTM" else "h":
        names.append(state if rng.random() < 0.5 else "-")
        constants[state] = rng.normal(size=(directions, batch, hidden))
    if op == "LSTM" and not attributes.get("input_forget") and rng.random() < 0.5:
        names.append("p")
        constants["p"] = rng.normal(size=(directions, 3 * hidden))
    outputs = "y z q" if op == "LSTM" else "y z"
    made = node(op, " ".join(names), outputs, hidden_size=hidden, direction=way, **attributes)
    inputs: dict[str, tuple[int, ...]] = {"x": (steps, batch, features)} | ({"n": (batch,)} if lengths else {})
    kept = {name: array for name, array in constants.items() if name in names}
    model = make_model([made], inputs, constants=kept, outputs=outputs.split(), types={"n": TensorProto.INT32})
    feeds: dict[str, np.ndarray] = {"x": rng.normal(size=inputs["x"]).astype(np.float32)}
    feeds |= {"n": rng.integers(1, steps + 1, batch).astype(np.int32)} if lengths else {}
    ours = nncost.run(saved(model, tmp_path), feeds)
    for left, right in zip(ours.values(), reference(model, feeds), strict=True):
        assert_close(left, right, 1e-4)


def report_of(op: str, folder: Path, inputs: str = "x w r b", **attributes: Any) -> nncost.Report:
    """64 features, 64 units, 5 steps of 2 examples."""
    rng = np.random.default_rng(0)
    constants = weights_of(rng, op, 1, (64, 64)) | {"h": np.zeros((1, 2, 64)), "n": np.array([2, 2], dtype=np.int32)}
    kept = {name: array for name, array in constants.items() if name in inputs.split()}
    model = make_model([node(op, inputs, hidden_size=64, **attributes)], {"x": (5, 2, 64)}, constants=kept)
    return nncost.count(saved(model, folder))


def test_parameters_of_a_gru(tmp_path: Path) -> None:
    """3·(F·H + H·H) weights and 6·H biases; an initial state of the file is none."""
    assert report_of("GRU", tmp_path).parameters.total == 24_960
    assert report_of("GRU", tmp_path, "x w r b - h").parameters.total == 24_960


@pytest.mark.parametrize("linear", [0, 1])
def test_both_forms_of_a_gru_have_its_products(linear: int, tmp_path: Path) -> None:
    """Three gates of both kinds; the reset gate multiplies H numbers either way."""
    totals = report_of("GRU", tmp_path, linear_before_reset=linear).totals["forward"]
    states = 5 * 2 * 64
    assert totals["macs"] == 3 * states * (64 + 64)
    assert totals["mul"] - totals["macs"] == 3 * states
    assert totals["activations"] == 3 * states


def test_a_coupled_gate_has_no_product(tmp_path: Path) -> None:
    totals = report_of("LSTM", tmp_path, input_forget=1).totals["forward"]
    assert totals["macs"] == 3 * 5 * 2 * 64 * (64 + 64)
    assert totals["sigmoid"] == 2 * 5 * 2 * 64


def test_a_bound_of_what_gates_read(tmp_path: Path) -> None:
    """Two comparisons for each number that one of the four functions of gates reads."""
    plain, other = report_of("LSTM", tmp_path), report_of("LSTM", tmp_path, clip=1.0)
    assert other.totals["forward"]["cmp"] - plain.totals["forward"].get("cmp", 0) == 2 * 4 * 5 * 2 * 64


def test_sequences_of_one_known_length_are_exact(tmp_path: Path) -> None:
    """Steps that no example has are not taken."""
    shorter = report_of("RNN", tmp_path, "x w r b n")
    assert shorter.totals["forward"]["macs"] == 2 * 2 * 64 * 128
    assert not any("upper bound" in note for note in shorter.notes)


def test_lengths_that_differ_are_a_bound_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = make_model(
        [node("RNN", "x w r b n", hidden_size=4)], {"x": (5, 2, 3), "n": (2,)},
        constants=weights_of(rng, "RNN", 1, (3, 4)), types={"n": TensorProto.INT32},
    )  # fmt: skip
    report = nncost.count(saved(model, tmp_path))
    assert report.totals["forward"]["macs"] == 5 * 2 * 4 * 7
    assert any("upper bound" in note for note in report.notes)


def test_examples_may_come_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    constants = weights_of(rng, "LSTM", 2, (3, 4)) | {"h": rng.normal(size=(2, 2, 4))}
    settings: dict[str, Any] = {"hidden_size": 4, "direction": "bidirectional"}
    x, found = rng.normal(size=(5, 2, 3)).astype(np.float32), []
    for layout in (0, 1):
        swapped = constants | ({"h": constants["h"].transpose(1, 0, 2)} if layout else {})
        made = node("LSTM", "x w r b - h", "y z q", layout=layout, **settings)
        given = x.transpose(1, 0, 2) if layout else x
        model = make_model([made], {"x": given.shape}, constants=swapped, outputs=("y", "z", "q"))
        found.append(list(nncost.run(saved(model, tmp_path), {"x": given}).values()))
    np.testing.assert_array_equal(found[1][0], found[0][0].transpose(2, 0, 1, 3))
    for first, last in zip(found[1][1:], found[0][1:], strict=True):
        np.testing.assert_array_equal(first, last.transpose(1, 0, 2))


def test_no_steps_at_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    constants = weights_of(rng, "GRU", 1, (3, 4))
    made = node("GRU", "x w r b", "y z", hidden_size=4)
    model = make_model([made], {"x": (0, 2, 3)}, constants=constants, outputs=("y", "z"))
    ours = nncost.run(saved(model, tmp_path), {"x": np.zeros((0, 2, 3), dtype=np.float32)})
    assert ours["y"].shape == (0, 1, 2, 4)
    np.testing.assert_array_equal(ours["z"], np.zeros((1, 2, 4)))
