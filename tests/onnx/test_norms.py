"""Norms and dropout: what the file says of training, roles, types, and random forms against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from tests.onnx.models import evaluated, loaded, make_model, node, reference, saved

SIZES = (2, 4, 8, 8)
VECTORS = {name: np.linspace(0.5, 1.5, 4) for name in "sbmv"}


def counted(model: Any, folder: Path, **options: Any) -> dict[str, Any]:
    report = nncost.count(saved(model, folder), **options)
    assert report.complete
    return report.totals["forward"]


def test_batch_norm_that_the_file_trains(tmp_path: Path) -> None:
    """n elements of C channels: 3n + 4C mul, 4n + C add, 3C div; the running variance is the batch's own, not Bessel's."""
    made = node("BatchNormalization", "x s b m v", "y rm rv", training_mode=1)
    model = make_model([made], {"x": SIZES}, constants=VECTORS, outputs=("y", "rm", "rv"), opset=15)
    totals = counted(model, tmp_path)
    elements, channels = 2 * 4 * 8 * 8, 4
    assert (totals["mul"], totals["add"], totals["div"]) == (
        3 * elements + 4 * channels, 4 * elements + channels, 3 * channels,
    )  # fmt: skip
    feeds = {"x": np.random.default_rng(0).normal(size=SIZES).astype(np.float32)}
    for ours, theirs in zip(nncost.run(saved(model, tmp_path), feeds).values(), evaluated(model, feeds), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", [6, 7, 9])
def test_older_files_train_where_they_ask_for_statistics(opset: int, tmp_path: Path) -> None:
    made = node("BatchNormalization", "x s b m v", "y rm rv sm sv")
    model = make_model([made], {"x": SIZES}, constants=VECTORS, outputs=("y", "rm", "rv", "sm", "sv"), opset=opset)
    x = np.random.default_rng(0).normal(size=SIZES).astype(np.float32)
    ours = nncost.run(saved(model, tmp_path), {"x": x})
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    np.testing.assert_allclose(ours["sm"], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours["sv"], variance, rtol=1e-4)
    np.testing.assert_allclose(ours["rv"], 0.9 * VECTORS["v"] + 0.1 * variance, rtol=1e-4)


def test_dropout_that_the_file_trains(tmp_path: Path) -> None:
    made = node("Dropout", "x r t", "y k")
    constants = {"r": np.float32(0.25), "t": np.array(True)}
    model = make_model([made], {"x": (4, 8)}, constants=constants, outputs=("y", "k"))
    totals = counted(model, tmp_path)
    assert (totals["mul"], totals["cmp"], totals["random"]) == (64, 32, 32)
    ours = nncost.run(saved(model, tmp_path), {"x": np.ones((4, 8), dtype=np.float32)})
    assert ours["k"].dtype == bool
    np.testing.assert_allclose(ours["y"], ours["k"] / 0.75, rtol=1e-6)


def test_a_share_that_only_a_run_tells_is_free_in_inference(tmp_path: Path) -> None:
    nodes = [node("Dropout", "x r", "d"), node("MatMul", "d w")]
    model = make_model(nodes, {"x": (4, 8), "r": ()}, constants={"w": np.ones((8, 4))})
    assert counted(model, tmp_path)["macs"] == 128
    assert counted(model, tmp_path, mode="train")["random"] == 32


def test_a_mask_in_inference_is_ones(tmp_path: Path) -> None:
    for opset, dtype in ((9, np.float32), (21, bool)):
        model = make_model([node("Dropout", "x", "y k")], {"x": (2, 3)}, outputs=("y", "k"), opset=opset)
        ours = nncost.run(saved(model, tmp_path), {"x": np.ones((2, 3), dtype=np.float32)})
        assert ours["k"].dtype == dtype
        assert ours["k"].all()


def test_instance_norm_without_affine_has_no_parameters(tmp_path: Path) -> None:
    made = [node("InstanceNormalization", "x s b")]
    plain = make_model(made, {"x": SIZES}, constants={"s": np.ones(4), "b": np.zeros(4)})
    learned = make_model(made, {"x": SIZES}, constants={"s": np.ones(4), "b": np.ones(4)})
    assert len(loaded(plain, tmp_path).graph.parameters) == 0
    assert len(loaded(learned, tmp_path).graph.parameters) == 2
    assert counted(learned, tmp_path)["mul"] - counted(plain, tmp_path)["mul"] == 512


def random_node(rng: np.random.Generator) -> tuple[str, tuple[int, ...], int, dict[str, Any]]:
    op = str(rng.choice(["LayerNormalization", "RMSNormalization", "LpNormalization", "MeanVarianceNormalization"]))
    shape = tuple(int(n) for n in rng.integers(2, 6, rng.integers(1, 5)))
    axis = int(rng.integers(-len(shape), len(shape)))
    settings: dict[str, Any] = {"axis": axis, "epsilon": 1e-3}
    if op == "LpNormalization":
        settings = {"axis": axis, "p": int(rng.integers(1, 3))}
    if op == "MeanVarianceNormalization":
        settings = {"axes": [axis]}
    return op, shape, axis, settings


@pytest.mark.parametrize("seed", range(40))
def test_random_norms(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    op, shape, axis, settings = random_node(rng)
    learned = op in ("LayerNormalization", "RMSNormalization")
    outputs = ("y", "m", "d") if op == "LayerNormalization" and seed % 2 else ("y",)
    made = node(op, "x s" if learned else "x", " ".join(outputs), **settings)
    constants = {"s": rng.uniform(0.5, 1.5, shape[axis:] if axis % len(shape) else shape)} if learned else {}
    model = make_model([made], {"x": shape}, constants=constants, outputs=outputs, opset=23)
    feeds = {"x": rng.uniform(0.5, 2, shape).astype(np.float32)}
    ours = nncost.run(saved(model, tmp_path), feeds)
    for left, right in zip(ours.values(), reference(model, feeds), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=2e-2 if op.startswith("Mean") else 1e-5)


@pytest.mark.parametrize("op", ["LayerNormalization", "RMSNormalization", "GroupNormalization"])
def test_statistics_of_short_floats_are_taken_in_single_precision(op: str, tmp_path: Path) -> None:
    """As they are where all of it is in single precision; squares of a thousand have no half float."""
    grouped = op == "GroupNormalization"
    inputs, extra = ("x s b", {"num_groups": 2}) if grouped else ("x s", {})
    shape = (3, 4, 5) if grouped else (3, 5, 4)
    x = (1000 * np.random.default_rng(0).normal(size=shape)).astype(np.float16)
    found = []
    for dtype, code in ((np.float16, TensorProto.FLOAT16), (np.float32, TensorProto.FLOAT)):
        vectors = {name: np.full(4, 1.5, dtype=dtype) for name in inputs.split()[1:]}
        model = make_model([node(op, inputs, **extra)], {"x": shape}, constants=vectors, opset=23, types={"x": code})
        found.append(nncost.run(saved(model, tmp_path), {"x": x.astype(dtype)})["y"])
    assert [each.dtype for each in found] == [np.float16, np.float32]
    np.testing.assert_allclose(found[0].astype(np.float32), found[1], rtol=2e-3, atol=2e-3)
