"""Classical models: amounts and roles by hand, closed forms against walks, and random trees against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import nncost
from nncost.ir.library.ngrams import Grams
from tests.onnx.examples.classical import ML, trees
from tests.onnx.models import assert_close, make_model, node, reference, saved


def report_of(nodes: list[Any], shapes: Any, folder: Path, outputs: tuple[str, ...] = ("y",)) -> nncost.Report:
    return nncost.count(saved(make_model(nodes, shapes, outputs=outputs), folder))


def test_trees_are_counted_to_their_deepest_leaf(tmp_path: Path) -> None:
    """Two comparisons in one tree and one in the other, and two sums of leaves, for each of 4 examples."""
    example = trees("TreeEnsembleRegressor", [0] * 5, n_targets=1)
    report = nncost.count(saved(example.model(), tmp_path))
    assert report.complete
    assert (report.totals["forward"]["cmp"], report.totals["forward"]["add"]) == (4 * 3, 4 * 2)
    assert any("upper bound" in note for note in report.notes)
    averaged = nncost.count(
        saved(trees("TreeEnsembleRegressor", [0] * 5, n_targets=1, aggregate_function="AVERAGE").model(), tmp_path)
    )
    assert averaged.totals["forward"]["div"] == 4


def test_a_linear_model_is_a_dense_layer(tmp_path: Path) -> None:
    made = node("LinearRegressor", "x", domain=ML, coefficients=[1.0] * 6, intercepts=[0.5, 0.5], targets=2)
    report = report_of([made], {"x": (4, 3)}, tmp_path)
    assert report.totals["forward"]["macs"] == 4 * 3 * 2
    assert report.parameters.total == 6 + 2


def test_text_is_unknown_and_scores_are_counted(tmp_path: Path) -> None:
    """A classifier whose labels are text: what is a number is counted, and a sequence of maps is unknown, with a reason."""
    made = node(
        "LinearClassifier",
        "x",
        "l s",
        domain=ML,
        coefficients=[1.0] * 6,
        intercepts=[0.5, 0.5],
        classlabels_strings=["a", "b"],
    )
    scores = report_of([made], {"x": (4, 3)}, tmp_path, ("s",))
    assert scores.complete
    assert scores.totals["forward"]["macs"] == 4 * 3 * 2
    named = report_of(
        [made, node("ZipMap", "s", "z", domain=ML, classlabels_strings=["a", "b"])], {"x": (4, 3)}, tmp_path, ("z",)
    )
    assert not named.complete
    assert named.totals["forward"]["macs"] == 4 * 3 * 2


def random_trees(rng: np.random.Generator, *, missing: bool) -> tuple[dict[str, Any], int]:
    """Trees of random shape over 3 features: their attributes, and how many comparisons their deepest leaves take."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    depth = 0

    def grow(tree: int, number: int, level: int) -> tuple[int, int]:
        """Add a node and what hangs from it; the next free number, and the depth below it."""
        is_leaf = level == 4 or (level > 0 and rng.random() < 0.3)
        mode = (
            "LEAF"
            if is_leaf
            else str(rng.choice(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]))
        )
        row = len(columns["modes"])
        for name, value in (
            ("treeids", tree),
            ("nodeids", number),
            ("featureids", int(rng.integers(0, 3))),
            ("modes", mode),
            ("values", float(rng.integers(-1, 2))),
        ):
            columns[name].append(value)
        columns["truenodeids"].append(0)
        columns["falsenodeids"].append(0)
        if is_leaf:
            for name, value in (
                ("treeids", tree),
                ("nodeids", number),
                ("ids", int(rng.integers(0, 2))),
                ("weights", float(rng.normal())),
            ):
                leaves[name].append(value)
            return number + 1, 0
        columns["truenodeids"][row] = number + 1
        after, left = grow(tree, number + 1, level + 1)
        columns["falsenodeids"][row] = after
        after, right = grow(tree, after, level + 1)
        return after, 1 + max(left, right)

    for tree in range(int(rng.integers(1, 4))):
        depth += grow(tree, 0, 0)[1]
    attributes = {f"nodes_{name}": column for name, column in columns.items()} | {
        f"target_{name}": column for name, column in leaves.items()
    }
    if missing:
        attributes["nodes_missing_value_tracks_true"] = [int(n) for n in rng.integers(0, 2, len(columns["modes"]))]
    return attributes, depth


@pytest.mark.parametrize("seed", range(20))
def test_random_trees(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    attributes, depth = random_trees(rng, missing=bool(seed % 2))
    made = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain=ML, n_targets=2, aggregate_function="SUM", **attributes
    )
    x = rng.integers(-2, 3, (6, 3)).astype(np.float32)
    if seed % 2:
        x[0, 0] = x[3, 2] = np.nan
    path = saved(make_model([made], {"x": x.shape}), tmp_path)
    assert nncost.count(path).totals["forward"]["cmp"] == 6 * depth
    assert_close(nncost.run(path, {"x": x})["y"], reference(make_model([made], {"x": x.shape}), {"x": x})[0], 1e-5)


def test_windows_of_grams_are_those_of_a_walk() -> None:
    for least, most, skips, size in ((1, 1, 0, 5), (1, 3, 2, 7), (2, 3, 1, 4), (2, 2, 5, 3)):
        grams = Grams({}, 0, least, most, skips)
        walked = {
            (length, step, start)
            for length in range(least, most + 1)
            for step in (range(1, skips + 2) if length > 1 else (1,))
            for start in range(size)
            if start + (length - 1) * step < size
        }
        assert grams.windows(size) == len(walked)


def test_lookups_are_estimated(tmp_path: Path) -> None:
    """8 keys: 3 comparisons of whole numbers for each element."""
    made = node("LabelEncoder", "x", domain=ML, keys_int64s=list(range(8)), values_int64s=list(range(8)))
    model = make_model([made], {"x": (5,)}, types={"x": TensorProto.INT64})
    assert nncost.count(saved(model, tmp_path)).totals["forward"]["int_ops"] == 15
