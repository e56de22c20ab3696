"""Files that other counters, and this one once, got wrong: small ones, with the right values derived by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import nncost
from nncost.cli.main import run as command
from nncost.errors import SourceError
from tests.onnx.models import make_model, node, reference, saved

FLOAT, INT, BOOL, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING


def normal(*shape: int) -> np.ndarray:
    """Numbers that look learned."""
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def report(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[Any, ...]],
    constants: Mapping[str, Any] | None = None,
    *,
    outputs: tuple[str, ...] = ("y",),
    **options: Any,
) -> nncost.Report:
    """The count of a model of these nodes."""
    model = make_model(list(nodes), inputs, constants=constants or {}, outputs=outputs, **options)
    domains = sorted({each.domain for each in nodes if each.domain})
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    return nncost.count(saved(model, folder))


# ------------------------------------------------------------------- nothing is lost
def test_text_is_unknown_and_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [helper.make_node("RegexFullMatch", ["x"], ["y"], pattern="a+")]
    path = saved(make_model(nodes, {"x": (3,)}, types={"x": TEXT}), tmp_path)
    assert nncost.count(path).unknown[0]["reason"] == "the input 'x' holds text, or is no tensor"
    assert command(["count", path]) == 3
    assert "RegexFullMatch" in capsys.readouterr().out


def test_batch_norm_that_trains(tmp_path: Path) -> None:
    """512 elements in 4 channels: squares, products with the deviation and the scale, and 4 for each channel's averages."""
    nodes = [node("BatchNormalization", "x s b m v", "y rm rv", training_mode=1)]
    constants = {name: np.abs(normal(4)) for name in "sbmv"}
    found = report(tmp_path, nodes, {"x": (2, 4, 8, 8)}, constants, outputs=("y", "rm", "rv"))
    assert found.complete
    assert (found.forward.mul, found.forward.add, found.forward["div"]) == (3 * 512 + 4 * 4, 2052, 12)
    assert (found.parameters.total, found.parameters.buffers) == (8, 8)


def test_dropout_that_trains(tmp_path: Path) -> None:
    constants = {"r": np.float32(0.25), "t": np.array(True)}
    found = report(tmp_path, [node("Dropout", "x r t")], {"x": (2, 16)}, constants)
    assert (found.complete, found.forward.mul, found.forward.cmp, found.forward["random"]) == (True, 64, 32, 32)


def test_a_share_that_is_an_input_changes_nothing_in_inference(tmp_path: Path) -> None:
    nodes = [node("Dropout", "x r", "d"), node("MatMul", "d w")]
    found = report(tmp_path, nodes, {"x": (2, 16), "r": ()}, {"w": normal(16, 4)})
    assert (found.complete, found.forward.macs) == (True, 128)


@pytest.mark.parametrize(
    ("made", "inputs", "constants", "outputs"),
    [
        (node("MaxPool", "x", "y i", kernel_shape=[2, 2], strides=[2, 2]), {"x": (1, 2, 8, 8)}, {}, "y i"),
        (node("LayerNormalization", "x g b", "y m d"), {"x": (2, 16)}, {"g": normal(16), "b": normal(16)}, "y m d"),
        (node("Dropout", "x", "y k"), {"x": (2, 16)}, {}, "y k"),
    ],
    ids=["indices of maxima", "statistics", "a mask"],
)
def test_second_outputs_are_there(
    made: onnx.NodeProto, inputs: dict[str, Any], constants: dict[str, Any], outputs: str, tmp_path: Path
) -> None:
    path = saved(make_model([made], inputs, constants=constants, outputs=tuple(outputs.split())), tmp_path)
    assert nncost.count(path).complete
    assert list(nncost.run(path)) == outputs.split()


# ------------------------------------------------------------------- what is a parameter
def test_initial_states_are_no_parameters(tmp_path: Path) -> None:
    constants = {
        "w": normal(1, 16, 3),
        "r": normal(1, 16, 4),
        "b": normal(1, 32),
        **dict.fromkeys(("h", "c"), np.zeros((1, 2, 4))),
    }
    found = report(tmp_path, [node("LSTM", "x w r b - h c", hidden_size=4)], {"x": (5, 2, 3)}, constants)
    assert found.parameters.total == 48 + 64 + 32


def test_masks_are_no_parameters(tmp_path: Path) -> None:
    mask = np.triu(np.full((1, 1, 7, 7), -3.4e38, dtype=np.float32), 1)
    nodes = [node("MatMul", "q k", "s"), node("Add", "s m", "a"), node("Softmax", "a", axis=-1)]
    found = report(tmp_path, nodes, {"q": (1, 2, 7, 4), "k": (1, 2, 4, 7)}, {"m": mask})
    assert (found.complete, found.parameters.total) == (True, 0)


def test_a_norm_without_scale_has_no_parameters(tmp_path: Path) -> None:
    """Exporters write ones and zeros for it."""
    constants = {"s": np.ones(3), "b": np.zeros(3)}
    found = report(tmp_path, [node("InstanceNormalization", "x s b")], {"x": (1, 3, 8, 8)}, constants)
    assert (found.complete, found.parameters.total) == (True, 0)


def test_scales_of_resizing_are_no_parameters(tmp_path: Path) -> None:
    constants = {"s": np.array([1, 1, 2, 2], dtype=np.float32)}
    found = report(tmp_path, [node("Resize", "x - s", mode="nearest")], {"x": (1, 2, 4, 4)}, constants)
    assert (found.complete, found.parameters.total) == (True, 0)


def eight(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).integers(-127, 127, shape).astype(np.int8)


STEPS = {
    "xs": np.float32(0.1), "xz": np.int8(0), "ys": np.float32(0.2), "wq": eight(8, 3, 3, 3), "ws": np.abs(normal(8)),
    "wz": np.zeros(8, dtype=np.int8), "bq": np.arange(8, dtype=np.int32), "bs": np.abs(normal(8)),
}  # fmt: skip


def test_quantized_weights_are_parameters_of_eight_bits(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("DequantizeLinear", "wq ws wz", "wd", axis=0), node("DequantizeLinear", "bq bs", "bd", axis=0),
        node("Conv", "xd wd bd", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]  # fmt: skip
    found = report(tmp_path, nodes, {"x": (1, 3, 16, 16)}, STEPS)
    assert (found.complete, found.parameters.total, found.parameters.bytes) == (True, 216 + 8, 216 + 8 * 4)
    assert (found.parameters.weights, found.parameters.biases, found.forward.macs) == (216, 8, 55_296)


def test_quantized_convolutions_and_products(tmp_path: Path) -> None:
    conv = node("QLinearConv", "x xs xz wq ws wz ys xz bq", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    found = report(tmp_path, [conv], {"x": (1, 3, 16, 16)}, STEPS, types={"x": TensorProto.INT8})
    assert (found.complete, found.parameters.total, found.forward.macs) == (True, 224, 55_296)
    nodes = [
        node("DynamicQuantizeLinear", "x", "xq xs xz"), node("MatMulInteger", "xq w xz wz", "i"),
        node("Cast", "i", "f", to=FLOAT), node("Mul", "xs ws", "s"), node("Mul", "f s"),
    ]  # fmt: skip
    constants = {"w": eight(16, 4), "wz": np.int8(0), "ws": np.float32(0.1)}
    found = report(tmp_path, nodes, {"x": (2, 16)}, constants)
    assert (found.complete, found.parameters.total, found.parameters.bytes, found.forward.macs) == (True, 64, 64, 128)


def test_packed_weights_are_as_many_as_they_stand_for(tmp_path: Path) -> None:
    product = helper.make_node(
        "MatMulNBits", ["x", "q", "s"], ["y"], domain="com.microsoft", K=64, N=32, bits=4, block_size=32
    )
    constants = {"q": np.random.default_rng(0).integers(0, 255, (32, 2, 16)).astype(np.uint8), "s": normal(64)}
    found = report(tmp_path, [product], {"x": (2, 64)}, constants)
    assert (found.complete, found.parameters.total, found.parameters.bytes, found.forward.macs) == (
        True,
        2048,
        1024,
        4096,
    )


# ------------------------------------------------------------------- sizes
def test_a_remainder_of_constants_is_known(tmp_path: Path) -> None:
    nodes = [
        node("Mod", "a b", "c"), node("Unsqueeze", "c z", "d"), node("Concat", "two d", "s", axis=0),
        node("Reshape", "x s", "r"), node("MatMul", "r w"),
    ]  # fmt: skip
    constants = {"a": np.int64(22), "b": np.int64(16), "z": np.array([0]), "two": np.array([4]), "w": normal(6, 5)}
    found = report(tmp_path, nodes, {"x": (2, 3, 4)}, constants)
    assert (found.complete, found.forward.macs) == (True, 120)


@pytest.mark.parametrize(("left", "right", "quotient"), [(7, 2, 3), (-7, 2, -3), (7, -2, -3), (6, 3, 2)])
def test_quotients_of_whole_numbers_are_cut(left: int, right: int, quotient: int, tmp_path: Path) -> None:
    nodes = [node("Div", "a b", "q"), node("Cast", "q", "f", to=FLOAT), node("Mul", "x f")]
    constants = {"a": np.int64(left), "b": np.int64(right)}
    path = saved(make_model(nodes, {"x": (1,)}, constants=constants), tmp_path)
    assert nncost.run(path, np.ones(1, dtype=np.float32))["y"] == quotient


def test_names_that_are_expressions_are_tied_to_each_other(tmp_path: Path) -> None:
    nodes = [
        node("Concat", "past new", "k", axis=2), node("Transpose", "k", "t", perm=[0, 1, 3, 2]), node("MatMul", "q t", "s"),
        node("Add", "s mask"),
    ]  # fmt: skip
    inputs = {
        "q": ("B", 4, "S", 8), "past": ("B", 4, "P", 8), "new": ("B", 4, "S", 8), "mask": ("B", 1, "S", "P + S"),
    }  # fmt: skip
    found = report(tmp_path, nodes, inputs)
    assert (found.complete, str(found.forward.macs)) == (True, "32*B*S*(P + S)")


def test_an_empty_slice_is_empty(tmp_path: Path) -> None:
    nodes = [node("Slice", "x a b c", "e"), node("Concat", "e x", "f", axis=0), node("MatMul", "f w")]
    constants = {"a": np.array([0]), "b": np.array([0]), "c": np.array([0]), "w": normal(4, 3)}
    assert report(tmp_path, nodes, {"x": (2, 4)}, constants).forward.macs == 24


def test_shapes_in_another_file_are_read_and_weights_are_not(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x s", "r"), node("MatMul", "r w", "m"), node("Add", "m b")]
    model = make_model(nodes, {"x": (2, 3, 4)}, constants={"s": np.array([0, -1]), "w": normal(12, 5), "b": normal(5)})
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    found = nncost.count(str(tmp_path / "net.onnx"))
    assert (found.complete, found.forward.macs, found.parameters.total) == (True, 120, 65)


@pytest.mark.parametrize("link", [False, True])
def test_no_file_outside_the_models_folder_is_opened(link: bool, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(np.array([0, -1]).tobytes())
    folder = tmp_path / "models"
    folder.mkdir()
    location = "near" if link else "../secret"
    if link:
        (folder / "near").symlink_to(tmp_path / "secret")
    model = make_model([node("Reshape", "x s")], {"x": (2, 3, 4)})
    shape = TensorProto(name="s", data_type=INT, dims=[2], data_location=TensorProto.EXTERNAL)
    shape.external_data.add(key="location", value=location)
    model.graph.initializer.append(shape)
    with pytest.raises(SourceError, match="does not lie in the model's folder"):
        nncost.count(saved(model, folder))


# ------------------------------------------------------------------- branches, loops, functions
def _branch(made: onnx.NodeProto, *constants: onnx.TensorProto) -> onnx.GraphProto:
    return helper.make_graph([made], "body", [], [onnx.ValueInfoProto(name=made.output[0])], list(constants))


ELSE = _branch(node("Identity", "x", "b"))


def test_a_known_branch_is_followed(tmp_path: Path) -> None:
    choice = helper.make_node("If", ["c"], ["y"], then_branch=_branch(node("MatMul", "x w", "a")), else_branch=ELSE)
    found = report(tmp_path, [choice], {"x": (2, 4)}, {"c": np.array(True), "w": normal(4, 4)})
    assert (found.complete, found.forward.macs, found.parameters.total) == (True, 32, 16)
    assert not found.notes


def test_weights_inside_a_branch_are_parameters(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(normal(4, 4), "wi")
    choice = helper.make_node(
        "If", ["c"], ["y"], then_branch=_branch(node("MatMul", "x wi", "a"), weights), else_branch=ELSE
    )
    found = report(tmp_path, [choice], {"x": (2, 4), "c": ()}, types={"c": BOOL})
    assert (found.complete, found.forward.macs, found.parameters.total) == (True, 32, 16)


def test_a_squeeze_that_depends_on_a_size(tmp_path: Path) -> None:
    """What exporters write for ``x.squeeze(1)`` where the size of that axis is open."""
    squeeze = _branch(node("Squeeze", "x one", "a"), numpy_helper.from_array(np.array([1]), "one"))
    keep = _branch(node("Identity", "x", "b"))
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s i", "k"), node("Equal", "k i", "c"),
        helper.make_node("If", ["c"], ["q"], then_branch=squeeze, else_branch=keep), node("MatMul", "q w"),
    ]  # fmt: skip
    path = saved(make_model(nodes, {"x": ("n", "k", 8)}, constants={"i": np.int64(1), "w": normal(8, 8)}), tmp_path)
    assert str(nncost.count(path, symbols={"k": 1}).forward.macs) == "64*n"
    assert str(nncost.count(path).forward.macs) == "64*k*n"


def test_a_loop_and_a_scan(tmp_path: Path) -> None:
    described = [
        helper.make_tensor_value_info("i", INT, []),
        helper.make_tensor_value_info("c", BOOL, []),
        helper.make_tensor_value_info("s", FLOAT, [2, 4]),
    ]
    results = [helper.make_tensor_value_info("d", BOOL, []), helper.make_tensor_value_info("t", FLOAT, [2, 4])]
    body = helper.make_graph([node("MatMul", "s w", "t"), node("Identity", "c", "d")], "body", described, results)
    loop = helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body)
    constants = {"w": normal(4, 4), "go": np.array(True)}
    found = report(tmp_path, [loop], {"x": (2, 4)}, {**constants, "n": np.int64(10)})
    assert (found.complete, found.forward.macs, found.parameters.total) == (True, 320, 16)
    open_end = report(tmp_path, [loop], {"x": (2, 4), "n": ()}, constants, types={"n": INT})
    assert (open_end.complete, str(open_end.forward.macs)) == (True, "32*loop_1_times")


def test_functions_of_the_file(tmp_path: Path) -> None:
    layer = helper.make_function(
        "local",
        "Lin",
        ["a", "w", "b"],
        ["c"],
        [node("MatMul", "a w", "m"), node("Add", "m b", "c")],
        [helper.make_opsetid("", 17)],
    )
    calls = [
        helper.make_node("Lin", [x, f"w{n}", f"b{n}"], [y], domain="local")
        for n, x, y in ((1, "x", "h"), (2, "r", "y"))
    ]
    model = make_model([calls[0], node("Relu", "h", "r"), calls[1]], {"x": ("n", 8)}, constants={"w1": normal(8, 16), "b1": normal(16), "w2": normal(16, 4), "b2": normal(4)})  # fmt: skip
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(layer)
    found = nncost.count(saved(model, tmp_path))
    assert (found.complete, str(found.forward.macs), found.parameters.total) == (True, "192*n", 212)
    assert found.rows[0].path == "lin.1.matmul.1"


# ------------------------------------------------------------------- no elements, and powers of none
@pytest.mark.parametrize(
    ("made", "shape"),
    [
        *((node(op, "x", axis=axis), (2, 0, 3)) for op in ("ArgMax", "ArgMin") for axis in (0, 2)),
        (node("MaxPool", "x", kernel_shape=[2, 2]), (0, 2, 4, 4)),
    ],
)
def test_the_largest_of_no_rows_is_nothing(made: onnx.NodeProto, shape: tuple[int, ...], tmp_path: Path) -> None:
    model, x = make_model([made], {"x": shape}), np.zeros(shape, dtype=np.float32)
    ours, (theirs,) = nncost.run(saved(model, tmp_path), {"x": x})["y"], reference(model, {"x": x})
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


def test_negative_powers_of_whole_numbers(tmp_path: Path) -> None:
    """As onnxruntime has them, that of 0 too: infinity becomes the lowest number."""
    model = make_model([node("Pow", "x e")], {"x": (5,), "e": (5,)}, types={"x": INT, "e": INT})
    feeds = {"x": np.array([2, 1, -1, 0, -1]), "e": np.array([-1, -2, -3, -1, -2])}
    ours, (theirs,) = nncost.run(saved(model, tmp_path), feeds)["y"], reference(model, feeds)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(ours[[0, 1, 2, 4]], [0, 1, -1, 1])
