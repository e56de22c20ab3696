"""What is a parameter, in which role, and in which layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

import nncost
from nncost.ir.graph import Region
from tests.onnx.examples import weights
from tests.onnx.models import light, loaded, make_model, node, saved


def roles(
    nodes: list[NodeProto], folder: Path, shape: tuple[int, ...] = (2, 3), **constants: np.ndarray
) -> dict[str, str]:
    model = loaded(make_model(nodes, {"x": shape}, constants=constants), folder)
    return {parameter.tensor.name: parameter.role for parameter in model.graph.parameters}


def test_weights_multiply_and_biases_add(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a b", "c"), node("Mul", "c s", "d"), node("Sub", "d m")]
    found = roles(nodes, tmp_path, w=weights(3, 4), b=weights(4), s=weights(4), m=weights(4))
    assert found == {"w": "weight", "b": "bias", "s": "weight"}


def test_batch_norm_statistics_are_buffers(tmp_path: Path) -> None:
    vectors = {name: weights(4) for name in "sbmv"}
    found = roles([node("BatchNormalization", "x s b m v")], tmp_path, (2, 4), **vectors)
    assert found == {"s": "weight", "b": "bias", "m": "buffer", "v": "buffer"}


@pytest.mark.parametrize("is_tied", [True, False])
def test_quantized_copies_of_a_table_are_kept_but_not_counted_again(is_tied: bool, tmp_path: Path) -> None:
    """Each row of the output layer has a scale of its own, of either sign; another layer of that shape is a parameter."""
    rng = np.random.default_rng(1)
    table, other = rng.normal(size=(2, 48, 32)).astype(np.float32)
    layer = (table if is_tied else other).T * rng.choice([-1, 1], (32, 1))
    quantized = np.round(layer / np.abs(layer).max() * 127).astype(np.int8)
    nodes = [node("Gather", "w i", "e"), node("DynamicQuantizeLinear", "e", "q s z"), node("MatMulInteger", "q v z")]
    model = make_model(nodes, {"i": (2,)}, constants={"w": table, "v": quantized}, types={"i": TensorProto.INT64})
    report = nncost.count(saved(model, tmp_path))
    assert (report.parameters.total, report.parameters.buffers) == ((1536, 1536) if is_tied else (3072, 0))
    assert any("'v' is the table 'w' in numbers of its own" in note for note in report.notes) == is_tied


def test_a_tied_tensor_counts_once_through_moves(tmp_path: Path) -> None:
    """An embedding whose table is, transposed, the output layer."""
    nodes = [node("Gather", "w i0", "e"), node("Transpose", "w", "t"), node("MatMul", "e t")]
    model = make_model(nodes, {"i0": (2, 3)}, constants={"w": weights(10, 4)}, types={"i0": TensorProto.INT64})
    report = nncost.count(saved(model, tmp_path))
    assert (report.parameters.total, report.forward.macs) == (40, 2 * 3 * 10 * 4)


def test_moves_keep_the_role_and_the_name(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "h"), node("Unsqueeze", "w a", "u"), node("Identity", "u", "v"), node("Squeeze", "v a", "t"),
        node("Mul", "h t"),
    ]  # fmt: skip
    assert roles(nodes, tmp_path, w=weights(3), a=np.array([0, 2])) == {"w": "weight"}


def test_unused_integer_and_scalar_constants_are_no_parameters(tmp_path: Path) -> None:
    nodes = [node("Gather", "x i", "g", axis=1), node("Mul", "g one")]
    assert roles(nodes, tmp_path, i=np.array([0, 1]), one=np.array(1.5), unused=weights(9)) == {}


def test_a_fill_of_the_inputs_shape_is_no_parameter(tmp_path: Path) -> None:
    nodes = [node("Shape", "x", "s"), node("ConstantOfShape", "s", "z"), node("Add", "x z")]
    assert roles(nodes, tmp_path) == {}


def test_constant_nodes_are_parameters(tmp_path: Path) -> None:
    value = numpy_helper.from_array(weights(3, 4).astype(np.float32))
    assert roles([node("Constant", "", "w", value=value), node("MatMul", "x w")], tmp_path) == {"w": "weight"}


def test_paths_are_node_names_or_numbered_kinds(tmp_path: Path) -> None:
    named = node("MatMul", "x w", "a")
    named.name = "encoder/fc"
    nodes = [named, node("MatMul", "a v", "b"), node("MatMul", "b v", "c"), node("Relu", "c")]
    graph = loaded(make_model(nodes, {"x": (2, 3)}, constants={"w": weights(3, 4), "v": weights(4, 4)}), tmp_path).graph
    assert [item.path for item in graph.items if isinstance(item, Region)] == [
        "encoder/fc",
        "matmul.1",
        "matmul.2",
        "relu.1",
    ]
    assert graph.items[-1].items[0].origin == "onnx.Relu y"  # type: ignore[union-attr]


def test_two_nodes_of_one_name_have_two_paths(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Tanh", "a")]
    for each in nodes:
        each.name = "same"
    graph = loaded(make_model(nodes, {"x": (2, 3)}), tmp_path).graph
    assert [item.path for item in graph.items] == ["same", "same.2"]


@pytest.mark.parametrize("op", ["Gemm", "MatMul"])
def test_neurons_and_activations_of_a_dense_layer(op: str, tmp_path: Path) -> None:
    nodes = [node(op, "x w", "a"), node("Relu", "a")]
    report = nncost.count(saved(make_model(nodes, {"x": (8, 3)}, constants={"w": weights(3, 4)}), tmp_path))
    assert (report.neurons, report.forward.activations) == (4, 8 * 4)


def test_weights_in_another_file_are_counted_and_not_read(tmp_path: Path) -> None:
    model = make_model([node("MatMul", "x w")], {"x": (2, 1000)})
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1000, 10**9], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="nowhere.bin")
    model.graph.initializer.append(tensor)
    assert nncost.count(saved(model, tmp_path)).parameters.total == 10**12


def test_types_are_the_files_own_or_the_one_asked_for(tmp_path: Path) -> None:
    nodes = [node("Cast", "w", "v", to=TensorProto.FLOAT16), node("MatMul", "x v")]
    model = make_model(nodes, {"x": (2, 3)}, constants={"w": weights(3, 4)}, types={"x": TensorProto.FLOAT16})
    report = nncost.count(saved(model, tmp_path))
    assert report.parameters.bytes == 12 * 4
    assert report.memory.inputs == 6 * 2
    assert not report.notes
    chosen = nncost.count(saved(model, tmp_path), dtype="float64")
    assert chosen.parameters.bytes == 12 * 8
    assert "float16" in chosen.notes[0]


def test_dropout_and_batch_statistics_follow_the_mode(tmp_path: Path) -> None:
    nodes = [node("BatchNormalization", "x s b m v", "a"), node("Dropout", "a")]
    model = make_model(nodes, {"x": (2, 4)}, constants={name: weights(4) for name in "sbmv"})
    path = saved(model, tmp_path)
    assert nncost.count(path).forward["random"] == 0
    assert nncost.count(path, mode="train").forward["random"] == 8
    assert nncost.count(path, loss="squared_error").backward.derivatives == 8


def test_a_constant_condition_is_no_parameter(tmp_path: Path) -> None:
    nodes = [helper.make_node("Where", ["c", "x", "low"], ["y"])]
    assert roles(nodes, tmp_path, c=np.tri(3, dtype=bool)[:2], low=np.array(-1e9)) == {}


def test_rows_follow_the_network_and_name_the_work() -> None:
    report = nncost.count(str(light("densenet121")))
    rows = [(row.path, row.op) for row in report.rows[:6]]
    assert rows == [
        ("n0", "conv"), ("n1", "batchnorm"), ("n3", "mul"), ("n5", "add"), ("n6", "relu"), ("n7", "maxpool"),
    ]  # fmt: skip
    assert report.rows[2].weights == report.rows[3].biases == 64


def loop_of(times: int) -> NodeProto:
    body = helper.make_graph(
        [node("MatMul", "s w", "t"), node("Identity", "go", "on")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, [2, 8]),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_tensor_value_info("t", TensorProto.FLOAT, [2, 8])],
        [numpy_helper.from_array(weights(8, 8), "w")],
    )  # fmt: skip
    return node("Loop", "n - x", body=body)


@pytest.mark.parametrize("times", [1, 2, 64, 65])
def test_a_loop_has_its_weights_once(times: int, tmp_path: Path) -> None:
    """Whether its iterations are written out or not."""
    model = make_model([loop_of(times)], {"x": (2, 8)}, constants={"n": np.int64(times)})
    report = nncost.count(saved(model, tmp_path))
    assert (report.parameters.total, report.forward.macs) == (64, 128 * times)


def test_a_function_has_its_weights_once(tmp_path: Path) -> None:
    constant = node("Constant", "", "w", value=numpy_helper.from_array(weights(8, 8)))
    opsets = [helper.make_opsetid("", 21)]
    function = helper.make_function("f", "Dense", ["a"], ["b"], [constant, node("MatMul", "a w", "b")], opsets)
    model = make_model([node("Dense", "x", "h", domain="f"), node("Dense", "h", domain="f")], {"x": (2, 8)})
    model.functions.append(function)
    report = nncost.count(saved(model, tmp_path))
    assert (report.parameters.total, report.forward.macs) == (64, 256)


@pytest.mark.parametrize("axis", [0, 2])
def test_stacked_weights_that_a_scan_takes_apart_are_weights(axis: int, tmp_path: Path) -> None:
    """Masks that it takes apart are none."""
    types = [("s", [2, 8]), ("w", [8, 8]), ("m", [1, 8])]
    body = helper.make_graph(
        [node("MatMul", "s w", "p"), node("Mul", "p m", "t"), node("Identity", "t", "e")], "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in types],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 8]) for name in "te"],
    )  # fmt: skip
    scan = node("Scan", "x stacked masks", "y all", body=body, num_scan_inputs=2, scan_input_axes=[axis, 0])
    constants = {"stacked": np.moveaxis(weights(5, 8, 8), 0, axis), "masks": np.ones((5, 1, 8), np.float32)}
    report = nncost.count(saved(make_model([scan], {"x": (2, 8)}, constants=constants), tmp_path))
    assert (report.parameters.total, report.parameters.weights, report.forward.macs) == (320, 320, 5 * 128)


def test_a_bias_of_one_unit_is_one(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a b")]
    assert roles(nodes, tmp_path, w=weights(3, 1), b=weights(1)) == {"w": "weight", "b": "bias"}


def test_a_bias_may_be_taken_away(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Sub", "a b", "c"), node("Relu", "c", "r"), node("Sub", "r m")]
    assert roles(nodes, tmp_path, w=weights(3, 4), b=weights(4), m=weights(4)) == {"w": "weight", "b": "bias"}


def test_a_norm_whose_scale_multiplies_the_deviation_first(tmp_path: Path) -> None:
    """x·(g/σ) + (b − μ·(g/σ))."""
    nodes = [
        node("ReduceMean", "x", "m", axes=[-1]), node("Sub", "x m", "d"), node("Mul", "d d", "p"), node("ReduceMean", "p", "v", axes=[-1]),
        node("Add", "v e", "ve"), node("Sqrt", "ve", "s"), node("Reciprocal", "s", "r"), node("Mul", "r g", "k"),
        node("Mul", "x k", "xk"), node("Mul", "m k", "mk"), node("Sub", "b mk", "bb"), node("Add", "xk bb"),
    ]  # fmt: skip
    model = make_model(
        nodes, {"x": (2, 8)}, constants={"e": np.float32(1e-5), "g": weights(8), "b": weights(8)}, opset=17
    )
    found = {p.tensor.name: p.role for p in loaded(model, tmp_path).graph.parameters}
    assert found == {"g": "weight", "b": "bias"}


@pytest.mark.parametrize("transposed", [True, False])
def test_a_copy_of_the_table_is_the_table(transposed: bool, tmp_path: Path) -> None:
    table = weights(10, 4)
    output = node("Gemm", "e v", transB=0 if transposed else 1)
    constants = {"w": table, "v": np.ascontiguousarray(table.T) if transposed else table.copy()}
    nodes = [node("Gather", "w i", "e"), output]
    report = nncost.count(
        saved(make_model(nodes, {"i": (2,)}, constants=constants, types={"i": TensorProto.INT64}), tmp_path)
    )
    assert report.parameters.total == 40


@pytest.mark.parametrize(("length", "dtype"), [(7, np.float32), (64, np.float16)])
def test_tables_of_rotary_positions_are_no_parameters(length: int, dtype: type, tmp_path: Path) -> None:
    """Looked up as they are; a table that was learned begins with zeros only where it stands for padding."""
    angles = np.outer(np.arange(length), 1 / 100 ** (np.arange(4) / 4))
    padded = weights(length, 8)
    padded[0] = 0
    constants = {"c": np.cos(angles).astype(dtype), "s": np.sin(angles).astype(dtype), "w": padded.astype(dtype)}
    nodes = [node("Gather", f"{name} i", name.upper()) for name in "csw"] + [node("Concat", "C S W", axis=1)]
    model = make_model(nodes, {"i": (2,)}, constants=constants, types={"i": TensorProto.INT64})
    assert [p.tensor.name for p in loaded(model, tmp_path).graph.parameters] == ["w"]


def test_a_class_token_is_a_parameter(tmp_path: Path) -> None:
    """Beside activations; coordinates and what stands beside an input are none."""
    grid = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
    nodes = [node("MatMul", "x w", "a"), node("Expand", "t n", "T"), node("Concat", "T a g", "c", axis=1),
             node("Concat", "x u", "d", axis=1), node("Add", "c d")]  # fmt: skip
    constants = {"w": weights(8, 8), "t": weights(1, 1, 8), "n": np.array([2, 1, 8]), "g": np.repeat(grid, 2, 0), "u": weights(2, 2, 8)}  # fmt: skip
    assert roles(nodes, tmp_path, (2, 5, 8), **constants) == {"w": "weight", "t": "other"}


def test_sizes_that_are_open_change_no_parameters(tmp_path: Path) -> None:
    """A table of positions, cut to a length that is a symbol, also one that is computed; a mask that is cut is none."""
    mask = np.triu(np.full((32, 32), -1e9, np.float32), 1)
    nodes = [
        node("Gather", "e x", "h"), node("Shape", "x", "sh"), node("Gather", "sh one", "n"), node("Range", "zero n unit", "r"),
        node("Mul", "w two", "double"), node("Gather", "double r", "p"), node("Gather", "v r", "q"),
        node("Add", "h p", "a"), node("Add", "a q", "b"), node("Unsqueeze", "n axis", "end"),
        node("Slice", "m start end axis", "cut"), node("Slice", "cut start end one_axis", "square"),
        node("Transpose", "b", "t", perm=[0, 2, 1]), node("MatMul", "b t", "scores"), node("Add", "scores square"),
    ]  # fmt: skip
    constants = {
        "e": weights(100, 8), "w": weights(64, 8), "v": weights(32, 8), "m": mask, "two": np.float32(2), "one": np.int64(1),
        "zero": np.int64(0), "unit": np.int64(1), "axis": np.array([0]), "one_axis": np.array([1]), "start": np.array([0]),
    }  # fmt: skip
    path = saved(make_model(nodes, {"x": (2, "B")}, constants=constants, types={"x": TensorProto.INT64}), tmp_path)
    counts = [nncost.count(path, symbols=bound).parameters.total for bound in ({}, {"B": 7}, {"B": 32})]
    assert counts == [8 * (100 + 64 + 32)] * 3


def test_large_copies_of_a_table_are_compared_by_many_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of others every number is compared: one that differs makes another parameter."""
    table = weights(10, 8)
    nodes, types = [node("Gather", "w i", "e"), node("MatMul", "e v")], {"i": TensorProto.INT64}
    changed = table.T.copy()
    changed[-1, -1] += 1
    for copy, total in ((table.T, 80), (changed, 160)):
        model = make_model(nodes, {"i": (2,)}, constants={"w": table, "v": np.ascontiguousarray(copy)}, types=types)
        assert nncost.count(saved(model, tmp_path)).parameters.total == total
    monkeypatch.setattr("nncost.frontends.onnx.tied.MAX_COMPARED", 4)
    model = make_model(nodes, {"i": (2,)}, constants={"w": table, "v": np.ascontiguousarray(table.T)}, types=types)
    assert any("as 4,096 of their numbers say" in note for note in nncost.count(saved(model, tmp_path)).notes)


def test_a_report_says_the_bits_of_quantized_parameters(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", "q s", "w"), node("MatMul", "x w", "h"), node("Add", "h b")]
    constants = {"q": np.arange(-6, 6, dtype=np.int8).reshape(3, 4), "s": np.float32(0.1), "b": weights(4)}
    report = nncost.count(saved(make_model(nodes, {"x": (2, 3)}, constants=constants), tmp_path))
    assert {each.dtype: (each.parameters, each.bytes) for each in report.parameter_types} == {"int8": (12, 12), "float32": (4, 16)}  # fmt: skip
    assert {"dtype": "int8", "parameters": 12, "bytes": 12} in report.to_dict()["parameter_types"]
    text = str(report)
    assert "12 int8 (8 bits), 4 float32 (32 bits)" in text
    assert "4 (whole numbers are not trained)" in text
