"""Sizes that data decide: exact where the data are known, else the largest there can be, which is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.dims import substitute, symbol
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


ENDLESS = 2**63 - 1
SLICES = [
    (5, ENDLESS, 5), (2, -1, 3), (5, 2, 1), (-(2**63), 2, 2), (2**62, ENDLESS, 1), (0, 2, 2), (-2, ENDLESS, 2), (1, 3, 3),
    (-3, -1, 3), (0, -1, 1), (0, ENDLESS, 1), (-1, ENDLESS, 1), (-1, -3, 1), (0, -ENDLESS, 1),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end", "least"), SLICES)
def test_slices_of_an_open_size(start: int, end: int, least: int, tmp_path: Path) -> None:
    """From the length on that they are said to need, they have the elements that they have of a number."""
    constants = {"s": np.array([start]), "e": np.array([end]), "a": np.array([0])}
    model = make_model([node("Slice", "x s e a", "t"), node("Exp", "t")], {"x": ("N", 3)}, constants=constants)
    path = saved(model, tmp_path)
    report = nncost.count(path)
    said = f"N is taken to be at least {least}: it is cut there."
    assert report.notes == ((said,) if least > 1 else ())
    for length in (least, least + 1, least + 7):
        exact = nncost.count(path, symbols={"N": length}).forward.exp
        assert substitute(report.forward.exp, {symbol("N"): length}) == exact
        assert exact == 3 * len(range(length)[start:end])


def test_a_slice_between_both_ends_of_an_open_size_is_unknown(tmp_path: Path) -> None:
    constants = {"s": np.array([-5]), "e": np.array([3]), "a": np.array([0])}
    model = make_model([node("Slice", "x s e a", "t"), node("Exp", "t")], {"x": ("N", 3)}, constants=constants)
    assert not nncost.count(saved(model, tmp_path)).complete
    assert nncost.count(saved(model, tmp_path), symbols={"N": 6}).forward.exp == 6


def test_nothing_is_joined_where_there_is_nothing(tmp_path: Path) -> None:
    """Sums and norms over no elements take none, whatever the number of examples is."""
    constants = {"r": np.array([1, 0])}
    nodes = [node("Tile", "x r", "t"), node("Softmax", "t", "s"), node("ReduceSum", "s")]
    totals = nncost.count(saved(make_model(nodes, {"x": ("B", 3)}, constants=constants), tmp_path)).forward
    assert {name: totals[name] for name in ("add", "cmp", "exp", "div")} == dict.fromkeys(
        ("add", "cmp", "exp", "div"), 0
    )
