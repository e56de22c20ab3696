"""Input shapes: from the file, from the caller, with another batch, with symbols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, ValueInfoProto, helper

import nncost
from nncost.errors import OptionError, ShapeError, SourceError, SymbolError
from tests.onnx.examples import weights
from tests.onnx.models import make_model, node, saved


def dense(folder: Path, *shape: Any) -> str:
    return saved(make_model([node("MatMul", "x w")], {"x": shape}, constants={"w": weights(3, 4)}), folder)


def test_the_batch_replaces_the_first_axis(tmp_path: Path) -> None:
    report = nncost.count(dense(tmp_path, 2, 3), batch=5)
    assert (report.forward.macs, report.settings["batch"], report.source.inputs) == (60, 5, {"x": (5, 3)})


def test_inputs_that_share_the_batch_follow_it_and_others_stay(tmp_path: Path) -> None:
    nodes = [node("Add", "a b", "c"), node("MatMul", "c d")]
    path = saved(make_model(nodes, {"a": (2, 3), "b": (2, 3), "d": (3, 4)}), tmp_path)
    assert nncost.count(path, batch=5).source.inputs == {"a": (5, 3), "b": (5, 3), "d": (3, 4)}


def test_named_sizes_are_symbols_until_they_are_bound(tmp_path: Path) -> None:
    path = dense(tmp_path, "n", "t", 3)
    assert str(nncost.count(path).forward.macs) == "12*n*t"
    assert nncost.count(path, symbols={"n": 2, "t": 5}).forward.macs == 120
    assert nncost.count(path, batch="n", symbols={"n": 2, "t": 5}).forward.macs == 120
    assert str(nncost.count(path, batch=7).forward.macs) == "84*t"
    with pytest.raises(SymbolError, match="no symbol 'm'"):
        nncost.count(path, symbols={"m": 2})


def test_shapes_are_overridden_by_name_or_for_the_only_input(tmp_path: Path) -> None:
    path = dense(tmp_path, 2, 3)
    assert nncost.count(path, (9, 3)).forward.macs == nncost.count(path, {"x": (9, 3)}).forward.macs == 108
    with pytest.raises(OptionError, match="no input 'y'"):
        nncost.count(path, {"y": (9, 3)})
    with pytest.raises(OptionError, match="at least 1"):
        nncost.count(path, (0, 3))
    both = saved(make_model([node("MatMul", "a b")], {"a": (2, 3), "b": (3, 4)}), tmp_path)
    with pytest.raises(OptionError, match="this one has 2"):
        nncost.count(both, (9, 3))


def test_a_missing_shape_asks_for_it(tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"x": None}, constants={"w": weights(3, 4)})
    with pytest.raises(SourceError, match="--input x="):
        nncost.count(saved(model, tmp_path))
    assert nncost.count(saved(model, tmp_path), (2, 3)).forward.macs == 24


@pytest.mark.parametrize("size", [None, -1])
def test_a_missing_size_follows_from_the_weights(size: int | None, tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"x": (2, size)}, constants={"w": weights(3, 4)})
    report = nncost.count(saved(model, tmp_path))
    assert report.forward.macs == 24
    assert report.notes[0] == "The size x_1 is 3, as what it is used for says."


def test_a_missing_size_that_nothing_tells_is_a_symbol(tmp_path: Path) -> None:
    path = saved(make_model([node("MatMul", "x w")], {"x": (None, 3)}, constants={"w": weights(3, 4)}), tmp_path)
    assert str(nncost.count(path).forward.macs) == "12*x_0"
    assert nncost.count(path, symbols={"x_0": 5}).forward.macs == 60


@pytest.mark.parametrize(
    ("name", "formula", "bound"),
    [
        ("past + new", "12*new + 12*past", {"past": 2, "new": 3}),
        ("floor(height/8 - 1/8) + 1", "12*floor(height/8 + 7/8)", {"height": 40}),
        ("batch size", "12*'batch size'", {"batch size": 5}),
        ("?", "12*x_0", {"x_0": 5}),
        ("__import__('os')", "12*'__import__(’os’)'", {"__import__('os')": 5}),
    ],
)
def test_names_of_sizes(name: str, formula: str, bound: dict[str, int], tmp_path: Path) -> None:
    path = saved(make_model([node("MatMul", "x w")], {"x": (name, 3)}, constants={"w": weights(3, 4)}), tmp_path)
    assert str(nncost.count(path).forward.macs) == formula
    assert nncost.count(path, symbols=bound).forward.macs == 60


def test_sizes_of_zero_are_sizes(tmp_path: Path) -> None:
    """The first step of a text: nothing is past yet."""
    nodes = [
        node("Concat", "past new", "k", axis=1),
        node("Transpose", "k", "t", perm=[0, 2, 1]),
        node("MatMul", "q t"),
    ]
    path = saved(make_model(nodes, {"q": (4, 7, 8), "past": (4, 0, 8), "new": (4, 7, 8)}), tmp_path)
    assert nncost.count(path).forward.macs == 4 * 7 * 7 * 8


def test_a_missing_batch_is_given_by_the_batch(tmp_path: Path) -> None:
    assert nncost.count(dense(tmp_path, None, 3), batch=2).forward.macs == 24


def reshaping(folder: Path, *target: int) -> str:
    nodes = [node("Reshape", "x s", "r"), node("MatMul", "r w")]
    constants = {"s": np.array(target), "w": weights(target[-1] if target[-1] > 0 else 6, 4)}
    return saved(make_model(nodes, {"x": (2, 3, 2)}, constants=constants), folder)


@pytest.mark.parametrize("target", [(2, 6), (2, -1), (-1, 6), (0, 6)])
def test_a_fixed_shape_that_starts_with_the_batch_follows_it(target: tuple[int, ...], tmp_path: Path) -> None:
    path = reshaping(tmp_path, *target)
    assert nncost.count(path, batch=5).forward.macs == 5 * 24
    assert str(nncost.count(path, batch="B").forward.macs) == "24*B"
    assert bool(nncost.count(path, batch=5).notes) == (target[0] == 2)


@pytest.mark.parametrize("shape", [("B", 2, 4, 4), ("B", 2, 4, "w"), (2, 2, 4, 4)])
def test_a_batch_is_not_resized(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    """To 6x6 by 4 neighbours: 6 mul for each of 2·2·36 outputs."""
    resize = [node("Resize", "x - - s", mode="linear")]
    path = saved(make_model(resize, {"x": shape}, constants={"s": np.array([2, 2, 6, 6])}), tmp_path)
    report = nncost.count(path)
    assert report.forward.mul == 864
    assert report.settings["batch"] == 2
    if shape == (2, 2, 4, 4):
        assert nncost.count(path, batch=6).forward.mul == 3 * 864
        assert str(nncost.count(path, batch="n").forward.mul) == "432*n"


def test_another_fixed_shape_is_an_error_that_names_the_node(tmp_path: Path) -> None:
    path = reshaping(tmp_path, 4, 3)
    assert nncost.count(path).forward.macs == 48
    with pytest.raises(ShapeError, match=r"onnx\.Reshape r: cannot reshape 5x3x2 to 4x3"):
        nncost.count(path, batch=5)


def test_shapes_that_are_computed_follow_symbols(tmp_path: Path) -> None:
    """x.view(x.shape[0], -1) as exporters write it."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axis", "m"),
        node("Concat", "m rest", "t", axis=0), node("Reshape", "x t", "r"), node("MatMul", "r w"),
    ]  # fmt: skip
    constants = {"zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1]), "w": weights(6, 4)}
    path = saved(make_model(nodes, {"x": ("n", 3, 2)}, constants=constants), tmp_path)
    assert str(nncost.count(path).forward.macs) == "24*n"


@pytest.mark.parametrize(
    "last",
    [
        node("Conv", "x w", strides=[2, 2], pads=[1, 1, 1, 1]), node("Conv", "x w", auto_pad="SAME_UPPER"),
        node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), node("Softmax", "x"),
        node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("GlobalAveragePool", "x"), node("Flatten", "x"),
        node("ConvTranspose", "x v", strides=[2, 2]), node("Slice", "x a b c"), node("ReduceMean", "x c", keepdims=0),
        node("Split", "x", "y z", axis=1, num_outputs=2), node("InstanceNormalization", "x g g"),
    ],
    ids=lambda last: last.op_type,
)  # fmt: skip
def test_formulas_agree_with_numbers(last: Any, tmp_path: Path) -> None:
    constants = {
        "w": weights(5, 4, 3, 3), "v": weights(4, 5, 3, 3), "g": weights(4),
        "a": np.array([1]), "b": np.array([-1]), "c": np.array([2]),
    }  # fmt: skip
    path = saved(make_model([last], {"x": ("n", 4, "h", 8)}, constants=constants, outputs=(last.output[0],)), tmp_path)
    bound = {"n": 3, "h": 11}
    for phase, options in (("forward", {}), ("step", {"loss": "sum"})):
        formulas = nncost.count(path, **options).totals[phase]
        for quantity, amount in nncost.count(path, symbols=bound, **options).totals[phase].items():
            assert _at(formulas[quantity], bound) == amount


def _at(formula: Any, bound: dict[str, int]) -> int:
    return formula if isinstance(formula, int) else int(formula.subs({s: bound[s.name] for s in formula.free_symbols}))


def test_a_sequence_as_input_is_unknown(tmp_path: Path) -> None:
    model = make_model(
        [node("SequenceAt", "q i", "x"), node("MatMul", "x w")],
        {"i": ()},
        constants={"w": weights(3, 4)},
        types={"i": TensorProto.INT64},
    )
    model.graph.input.append(helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, None))
    report = nncost.count(saved(model, tmp_path))
    assert not report.complete
    assert [entry["op"] for entry in report.unknown] == ["SequenceAt", "MatMul"]
    assert report.parameters.total == 12


def test_initializers_among_the_inputs_are_constants(tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"x": (2, 3), "w": (3, 4)}, constants={"w": weights(3, 4)})
    report = nncost.count(saved(model, tmp_path), batch=5)
    assert (report.source.inputs, report.parameters.total) == ({"x": (5, 3)}, 12)
    assert isinstance(model.graph.input[1], ValueInfoProto)


def test_shapes_without_names_stand_in_order(tmp_path: Path) -> None:
    path = saved(make_model([node("MatMul", "a b")], {"a": (3, 4), "b": (4, 5)}), tmp_path)
    assert nncost.count(path, ((6, 7), (7, 8))).source.inputs == {"a": (6, 7), "b": (7, 8)}
    with pytest.raises(OptionError, match="3 shapes for a model with 2 inputs"):
        nncost.count(path, ((6, 7), (7, 8), (1,)))
    with pytest.raises(OptionError, match="given twice"):
        nncost.count(path, nncost.Inputs(((6, 7), (7, 8)), {"a": (6, 7)}))
    with pytest.raises(OptionError, match="says itself what type"):
        nncost.count(path, {"a": "6x7:int64"})


def test_a_constant_that_is_an_input_too_gives_way_to_an_array(tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"w": (3, 4), "x": ("N", 3)}, constants={"w": np.ones((3, 4))})
    path, x = saved(model, tmp_path), np.ones((2, 3), np.float32)
    assert nncost.run(path, {"x": x})["y"].tolist() == [[3.0] * 4] * 2
    assert nncost.run(path, {"x": x, "w": np.full((3, 4), 2, np.float32)})["y"].tolist() == [[6.0] * 4] * 2
    assert nncost.count(path).parameters.total == 12


def test_a_constant_that_is_no_input_stays(tmp_path: Path) -> None:
    path = saved(make_model([node("MatMul", "x w")], {"x": (2, 3)}, constants={"w": np.ones((3, 4))}), tmp_path)
    with pytest.raises(OptionError, match="no input 'w'"):
        nncost.run(path, {"x": np.ones((2, 3), np.float32), "w": np.ones((3, 4), np.float32)})


def test_the_batch_gives_its_name_a_number_everywhere(tmp_path: Path) -> None:
    """Also where it is no first axis, and whichever number it is."""
    path = saved(make_model([node("MatMul", "a b")], {"a": ("n", 3), "b": (2, 3, "n")}), tmp_path)
    for batch in (1, 2):
        report = nncost.count(path, batch=batch)
        assert (report.source.inputs, report.forward.macs) == ({"a": (batch, 3), "b": (2, 3, batch)}, 6 * batch**2)


@pytest.mark.parametrize("name", ["a.0", "'a.0'"])
def test_names_in_quotes_are_the_names(name: str, tmp_path: Path) -> None:
    path = dense(tmp_path, "a.0", 3)
    assert nncost.count(path, symbols={name: 5}).forward.macs == 60
    with pytest.raises(SymbolError, match="no symbol 'b'") as caught:
        nncost.count(path, symbols={"b": 5})
    assert "Its symbols: a.0." in str(caught.value)


def test_shapes_that_do_not_fit_are_told_the_files_own(tmp_path: Path) -> None:
    path = dense(tmp_path, "n", 3)
    with pytest.raises(ShapeError, match="The file's own shapes: x nx3"):
        nncost.count(path, (2, 4))
    with pytest.raises(OptionError, match="has 2 axes in the file, it is nx3: received 2x3x1"):
        nncost.count(path, (2, 3, 1))
    with pytest.raises(OptionError, match="batch 5 contradicts the shape 2x3 of 'x'"):
        nncost.count(path, (2, 3), batch=5)
