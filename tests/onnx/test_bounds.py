"""Sizes that data decide: exact where the data are known, else the largest there can be, which is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncost
from tests.onnx.examples.example import ints
from tests.onnx.models import loaded, make_model, node, reference, saved

NOTE = "Sizes that data decide are counted at their largest: "
CASES = [
    ([node("NonZero", "x")], {"x": (2, 3)}, {}, (2, 6), "NonZero gives at most 6."),
    ([node("Unique", "x")], {"x": (2, 3)}, {}, (6,), "Unique gives at most 6."),
    ([node("Unique", "x", axis=1)], {"x": (2, 3)}, {}, (2, 3), "Unique gives at most 3."),
    ([node("Greater", "c x", "m"), node("Flatten", "m", "f", axis=0), node("Squeeze", "f", "s"), node("Compress", "x s")],
     {"x": (2, 3)}, {"c": np.float32(0)}, (6,), "Compress gives at most 6."),
    ([node("NonMaxSuppression", "b x m")], {"b": (2, 5, 4), "x": (2, 3, 5)}, {"m": ints(4)}, (24, 3), "NonMaxSuppression gives at most 24."),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "inputs", "constants", "shape", "note"), CASES)
def test_the_largest_size_is_counted_and_said(nodes, inputs, constants, shape, note, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = make_model(nodes, inputs, constants=constants)
    (output,) = loaded(model, tmp_path).graph.outputs
    assert output.shape == shape
    report = nncost.count(saved(model, tmp_path))
    assert report.complete
    assert NOTE + note in report.notes


@pytest.mark.parametrize(("nodes", "inputs", "constants", "shape", "note"), CASES)
def test_a_run_has_the_size_that_its_data_decide(nodes, inputs, constants, shape, note, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model, rng = make_model(nodes, inputs, constants=constants), np.random.default_rng(3)
    feeds = {name: rng.integers(-1, 2, size).astype(np.float32) for name, size in inputs.items()}
    (found,) = nncost.run(saved(model, tmp_path), feeds).values()
    (expected,) = reference(model, feeds)
    assert found.shape == expected.shape
    assert found.size <= np.prod(shape)


def test_what_does_not_fit_the_largest_size_is_unknown_not_refused(tmp_path: Path) -> None:
    """A bound is no promise of the file: where it contradicts another size, the node is unknown."""
    nodes = [node("NonZero", "x", "i"), node("Concat", "i j", axis=0)]
    report = nncost.count(saved(make_model(nodes, {"x": (2, 3), "j": (1, 4)}, types={"j": 7}), tmp_path))
    assert [entry["op"] for entry in report.unknown] == ["Concat"]
    assert report.unknown[0]["reason"] == "the largest size that data may decide does not fit"
