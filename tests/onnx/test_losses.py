"""Losses of the file on random shapes, and their roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from tests.onnx.models import assert_close, loaded, make_model, node, reference, saved


@pytest.mark.parametrize("seed", range(40))
def test_random_losses(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    batch, classes, *rest = (int(n) for n in rng.integers(1, 6, rng.integers(2, 5)))
    op = str(rng.choice(["SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"]))
    settings: dict[str, Any] = {"reduction": str(rng.choice(["none", "sum", "mean"]))}
    if seed % 3:
        settings["ignore_index"] = int(rng.integers(0, classes + 1))
    weight = {"w": rng.uniform(0.5, 1.5, classes)} if seed % 2 else {}
    made = node(op, "x t w" if weight else "x t", **settings)
    shapes = {"x": (batch, classes, *rest), "t": (batch, *rest)}
    model = make_model([made], shapes, constants=weight, types={"t": TensorProto.INT64})
    target = rng.integers(0, classes, shapes["t"])
    feeds = {"x": rng.normal(size=shapes["x"]).astype(np.float32), "t": target}
    ours = nncost.run(saved(model, tmp_path), feeds)["y"]
    if np.isfinite(expected := reference(model, feeds)[0]).all():
        assert_close(ours, expected, 1e-5)
    assert loaded(model, tmp_path).graph.parameters == ()


def test_the_amounts_of_a_cross_entropy(tmp_path: Path) -> None:
    """B·C scores: those of a log-softmax; weights take B mul and B − 1 add more, an ignored class B cmp and 2·B whole numbers."""
    shapes = {"x": (8, 5), "t": (8,)}
    found = []
    for inputs, settings in (("x t", {}), ("x t w", {}), ("x t w", {"ignore_index": 0})):
        model = make_model(
            [node("SoftmaxCrossEntropyLoss", inputs, **settings)], shapes, constants={"w": np.ones(5)},
            types={"t": TensorProto.INT64},
        )  # fmt: skip
        found.append(nncost.count(saved(model, tmp_path)).totals["forward"])
    plain, weighted, ignoring = found
    assert (plain["exp"], plain["log"], plain["cmp"]) == (40, 8, 32)
    assert weighted["mul"] - plain.get("mul", 0) == 8
    assert weighted["add"] - plain["add"] == 7
    assert ignoring["cmp"] - weighted["cmp"] == 8
    assert ignoring["int_ops"] == 16
