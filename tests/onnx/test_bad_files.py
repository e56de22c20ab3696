"""Whatever is wrong with a file, the answer is one clear error of our own."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import nncost
from nncost.errors import MissingExtraError, NncostError, ShapeError, SourceError
from tests.onnx.examples import EXAMPLES, Example, weights
from tests.onnx.models import SHIPPED, light, make_model, node, saved

X = {"x": (1, 3, 8, 8)}
CONV = {"w": weights(4, 3, 3, 3)}


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"784-16-16-10\n", bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n"])
def test_other_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"net\.onnx"):
        nncost.count(str(path))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        nncost.count(str(tmp_path / "none.onnx"))
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(SourceError, match="not a regular file"):
        nncost.count(str(tmp_path / "folder.onnx"))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"nncost\[onnx\]"):
        nncost.count(str(light("squeezenet")))


BROKEN: dict[str, tuple[type[NncostError], str, onnx.ModelProto]] = {
    "no nodes": (SourceError, "'y' is produced by no node", make_model([], X)),
    "no outputs": (SourceError, "no output", make_model([node("Relu", "x")], X, outputs=())),
    "missing output": (SourceError, "'z' is produced by no node", make_model([node("Relu", "x")], X, outputs=("z",))),
    "missing tensor": (SourceError, "reads 'w'", make_model([node("Conv", "x w")], X)),
    "unsorted": (SourceError, "reads 'a'", make_model([node("Relu", "a"), node("Relu", "x", "a")], X)),
    "cyclic": (SourceError, "reads 'b'", make_model([node("Add", "x b", "a"), node("Relu", "a", "b")], X, outputs=("b",))),
    "produced twice": (SourceError, "produced twice", make_model([node("Relu", "x"), node("Tanh", "x")], X)),
    "missing operand": (SourceError, "operand 2 is missing", make_model([node("Conv", "x")], X)),
    "negative input": (SourceError, "size -3", make_model([node("Relu", "x")], {"x": (1, -3)})),
    "negative expansion": (ShapeError, "negative", make_model([node("Expand", "x s")], {"x": (1, 4, 4)}, constants={"s": np.array([-3, 1, 1])})),
    "largest of none": (ShapeError, "ArgMax y.* has none", make_model([node("ArgMax", "x", axis=1)], {"x": (2, 0)})),
    "largest of an empty plane": (ShapeError, "GlobalMaxPool y.* has none", make_model([node("GlobalMaxPool", "x")], {"x": (2, 3, 0, 4)})),
    "more indices than elements": (ShapeError, "do not fit 3x1", make_model([node("GatherElements", "x n", axis=0)], {"x": (3, 1)}, constants={"n": np.zeros((1, 2), dtype=np.int64)})),
    "negative fill": (ShapeError, "negative", make_model([node("ConstantOfShape", "s")], X, constants={"s": np.array([-1])})),
    "wrong type": (SourceError, "'strides' must be whole numbers", make_model([node("Conv", "x w", strides="two")], X, constants=CONV)),
    "wrong length": (SourceError, "'pads' must have 4", make_model([node("Conv", "x w", pads=[1])], X, constants=CONV)),
    "zero stride": (SourceError, "at least 1", make_model([node("Conv", "x w", strides=[0, 1])], X, constants=CONV)),
    "channels": (ShapeError, "received 1x3x8x8", make_model([node("Conv", "x w")], X, constants={"w": weights(4, 2, 3, 3)})),
    "window too large": (ShapeError, "does not fit", make_model([node("MaxPool", "x", kernel_shape=[9, 9])], X)),
    "broadcast": (ShapeError, "do not broadcast", make_model([node("Add", "x b")], X, constants={"b": weights(7)})),
    "axis": (ShapeError, "no axis 9", make_model([node("Concat", "x x", axis=9)], X)),
    "perm": (ShapeError, "no order", make_model([node("Transpose", "x", perm=[0, 0, 1, 2])], X)),
    "reshape": (ShapeError, "cannot reshape", make_model([node("Reshape", "x s")], X, constants={"s": np.array([5, -1])})),
    "two rests": (ShapeError, "at most one -1", make_model([node("Reshape", "x s")], X, constants={"s": np.array([-1, -1])})),
    "matrix": (ShapeError, "must have 2 axes", make_model([node("Gemm", "x w")], X, constants=CONV)),
    "product": (ShapeError, "index", make_model([node("MatMul", "x w")], X, constants={"w": weights(7, 4)})),
    "statistics": (ShapeError, "3 channels", make_model([node("BatchNormalization", "x b b b b")], X, constants={"b": weights(4)})),
    "newer opset": (SourceError, "opset 999", make_model([node("Relu", "x")], X, opset=999)),
    "opset 0": (SourceError, "opset 0", make_model([node("Relu", "x")], X, opset=0)),
    "no operation": (SourceError, "does not say what it does: its outputs are y", make_model([node("", "x")], X)),
    "unknown element type": (SourceError, "99 is not", make_model([node("Relu", "x")], X, types={"x": 99})),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_models(name: str, tmp_path: Path) -> None:
    kind, message, model = BROKEN[name]
    with pytest.raises(kind, match=message):
        nncost.count(saved(model, tmp_path))


def _nested(depth: int) -> onnx.ModelProto:
    inner = [node("Relu", "x", "b")]
    for _ in range(depth):
        branch = helper.make_graph(inner, "branch", [], [onnx.ValueInfoProto(name="b")])
        inner = [node("If", "c", "b", then_branch=branch, else_branch=branch)]
    return make_model([node("Identity", "b"), *inner][::-1], X, constants={"c": np.bool_(True)})


def test_graphs_deep_inside_each_other(tmp_path: Path) -> None:
    """Whether the file is small, and read as it is, or large."""
    for depth, text in ((8, ""), (8, "t" * 2**15)):
        model = _nested(depth)
        model.graph.doc_string = text
        assert nncost.count(saved(model, tmp_path)).forward.cmp == 192
    graph, branch = node("Relu", "x").SerializeToString(), b""
    for depth in range(1, 1000):
        graph = b"\x0a" + _counted(graph)  # GraphProto.node
        branch = b"\x0a\x01b\xa0\x01\x05\x32" + _counted(graph)  # AttributeProto: its name, type and graph
        graph = b"\x22\x02If\x2a" + _counted(branch)  # NodeProto: its operation and attribute
        if depth in (40, 999):
            path = tmp_path / "deep.onnx"
            path.write_bytes(b"\x3a" + _counted(b"\x0a" + _counted(graph)))
            with pytest.raises(SourceError, match="has graphs that lie too deep inside each other"):
                nncost.count(str(path))


def _counted(message: bytes) -> bytes:
    """A message of protocol buffers behind its length."""
    length, number = bytearray(), len(message)
    while number > 127:
        length.append(number & 127 | 128)
        number >>= 7
    return bytes([*length, number]) + message


def test_long_names_of_sizes_are_shortened(tmp_path: Path) -> None:
    """They are still told apart."""
    one, other = "n" * 10**6, "n" * 10**6 + "m"
    path = saved(make_model([node("MatMul", "x w")], {"x": (one, other), "w": (other, 7)}), tmp_path)
    report = nncost.count(path)
    assert len(report.forward.macs.free_symbols) == 2
    assert len(str(report)) < 10_000
    with pytest.raises(NncostError) as caught:
        nncost.count(path, symbols={"k": 3})
    assert len(str(caught.value)) < 1000
    assert nncost.count(path, symbols={one: 2, other: 3}).forward.macs == 42


def _sparse(indices: object, shape: list[int]) -> onnx.ModelProto:
    where = np.asarray(indices)
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    places = helper.make_tensor("places", TensorProto.INT64, where.shape, where.reshape(-1).tolist())
    model = make_model([node("MatMul", "x w")], {"x": (2, 3)})
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, shape))
    return model


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 12], r"no place \[12\]: its shape is \[3, 4\]"),
        ([0, -1], r"no place \[-1\]"),
        ([[0, 1], [2, 9]], r"no place \[2, 9\]"),
        ([3, 3], "two numbers at one place"),
        ([1, 2, 3], r"indices of shape \[3\] for 2 numbers of 2 axes"),
        ([[1], [2]], r"indices of shape \[2, 1\]"),
    ],
)
def test_sparse_constants_whose_places_do_not_fit(indices: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        nncost.count(saved(_sparse(indices, [3, 4]), tmp_path))


@pytest.mark.parametrize("indices", [[0, 11], [[0, 1], [2, 3]]])
def test_sparse_constants_of_any_size(indices: object, tmp_path: Path) -> None:
    report = nncost.count(saved(_sparse(indices, [3, 4]), tmp_path))
    assert nncost.count(saved(_sparse(indices, [3, 2**62]), tmp_path)).forward.mul > report.forward.mul > 0


@pytest.mark.parametrize("loss", [None, "sum"])
def test_unknown_nodes_that_make_nothing(loss: str | None, tmp_path: Path) -> None:
    model = make_model([node("Relu", "x"), node("Print", "x", "", domain="mine")], X)
    assert [entry["op"] for entry in nncost.count(saved(model, tmp_path), loss=loss).unknown] == ["mine.Print"]


def test_two_constants_of_one_name(tmp_path: Path) -> None:
    model = make_model([node("Add", "x w")], X, constants={"w": weights(8)})
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]))
    with pytest.raises(SourceError, match="two constants named 'w'"):
        nncost.count(saved(model, tmp_path))


def test_two_constants_of_one_name_in_a_branch(tmp_path: Path) -> None:
    made = helper.make_graph([node("Identity", "w", "b")], "made", [], [onnx.ValueInfoProto(name="b")])
    made.initializer.extend([helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])] * 2)
    model = make_model([node("If", "c", then_branch=made, else_branch=made)], X, constants={"c": np.bool_(True)})
    with pytest.raises(SourceError, match="two constants named 'w'"):
        nncost.count(saved(model, tmp_path))


def test_two_inputs_of_one_name(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x")], X)
    model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]))
    with pytest.raises(SourceError, match="two inputs named 'x'"):
        nncost.count(saved(model, tmp_path))


def test_tensors_of_too_many_axes(tmp_path: Path) -> None:
    model = make_model([node("Add", "x w")], X)
    model.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1] * 65))
    with pytest.raises(SourceError, match="'w' has 65 axes, more than 64"):
        nncost.count(saved(model, tmp_path))
    with pytest.raises(SourceError, match="'x' has 65 axes, more than 64"):
        nncost.count(saved(make_model([node("Relu", "x")], {"x": [1] * 65}), tmp_path))


def test_no_opset(tmp_path: Path) -> None:
    model = make_model([node("Relu", "x")], X)
    del model.opset_import[:]
    with pytest.raises(SourceError, match="which opset"):
        nncost.count(saved(model, tmp_path))


def test_values_that_do_not_fit_their_shape(tmp_path: Path) -> None:
    model = make_model([node("Reshape", "x s")], X)
    model.graph.initializer.append(TensorProto(name="s", data_type=TensorProto.INT64, dims=[2], raw_data=b"123"))
    with pytest.raises(SourceError, match="do not fit"):
        nncost.count(saved(model, tmp_path))


def _beside(folder: Path, **entries: str) -> str:
    """A model whose Reshape takes its two sizes from a file beside it that holds a gigabyte."""
    with (folder / "beside.bin").open("wb") as file:
        file.write(np.array([24, 8]).tobytes())
        file.truncate(2**30)
    model = make_model([node("Reshape", "x s")], X)
    tensor = TensorProto(name="s", data_type=TensorProto.INT64, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "beside.bin", **entries}.items():
        tensor.external_data.add(key=key, value=value)
    model.graph.initializer.append(tensor)
    return saved(model, folder)


def test_no_more_is_read_beside_a_file_than_a_tensor_needs(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        assert list(nncost.count(_beside(tmp_path)).outputs.values()) == [(24, 8)]
        with pytest.raises(SourceError, match="16 bytes are needed, 1073741824 are there"):
            nncost.count(_beside(tmp_path, length=str(2**30)))
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def test_errors_name_the_node(tmp_path: Path) -> None:
    named = node("Concat", "x x", axis=9)
    named.name = "join"
    with pytest.raises(ShapeError, match=r"^onnx\.Concat join: "):
        nncost.count(saved(make_model([named], X), tmp_path))


def test_absurd_sizes_are_counted_exactly(tmp_path: Path) -> None:
    """No list of that length is made and nothing wraps around."""
    huge = 2**62
    nodes = [node("MatMul", "x w", "a"), node("Relu", "a", "b"), node("ReduceMean", "b")]
    model = make_model(nodes, {"x": (huge, huge)})
    model.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[huge, 10]))
    assert nncost.count(saved(model, tmp_path), loss="sum").forward.macs == 10 * huge**2


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Tile", "x r", "t"), node("Relu", "t")], {"r": np.array([1, 1, 2**40, 2**40])}),
        ([node("Pad", "x p", mode="reflect")], {"p": np.array([0, 0, 0, 0, 0, 0, 0, 2**50])}),
        ([node("Pad", "x p")], {"p": np.array([0, 0, 0, 0, 0, 0, 0, 2**50])}),
        ([node("MaxPool", "x", kernel_shape=[2**40, 2**40], pads=[2**40] * 4)], {}),
        ([node("AveragePool", "x", kernel_shape=[2**40, 2**40], pads=[2**40] * 4)], {}),
        ([node("LRN", "x", size=2**50)], {}),
        ([node("Range", "a b c", "r"), node("Gather", "x r")], {"a": np.int64(0), "b": np.int64(2**60), "c": np.int64(1)}),
        ([node("Expand", "x s")], {"s": np.array([2**40, 2**40, 1, 1, 1, 1])}),
        ([node("ConstantOfShape", "s", value=helper.make_tensor("", TensorProto.INT64, [1], [1]))], {"s": np.array([2**40, 2**20])}),
        ([node("Split", "x", "y z", axis=0, num_outputs=2**50)], {}),
        ([node("Unsqueeze", "x a")], {"a": np.array([2**60])}),
        ([node("Resize", "x - - s", mode="linear", antialias=1)], {"s": np.array([1, 3, 2**50, 8])}),
        ([node("Resize", "x r - s", coordinate_transformation_mode="tf_crop_and_resize")],
         {"r": np.array([0, 0, 0, 0, 1, 1, 2, 1], np.float32), "s": np.array([1, 3, 2**50, 8])}),
    ],
    ids=lambda value: value[0].op_type if isinstance(value, list) else "",
)  # fmt: skip
def test_absurd_sizes_in_the_file_end_quickly(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = saved(make_model(nodes, X, constants=constants), tmp_path)
    try:
        nncost.count(path)
        nncost.count(path, loss="sum")
    except NncostError as error:
        assert str(error)


def _seed(path: Path) -> bytes:
    return path.read_bytes()


def _small_network() -> bytes:
    """A classifier of many kinds of nodes in one small file."""
    constants = {
        **CONV,
        "b": weights(4),
        "g": weights(4),
        "s": np.array([0, -1]),
        "v": weights(10, 48),
        "c": weights(10),
    }
    nodes = [
        node("Conv", "x w b", "c1", pads=[1, 1, 1, 1]), node("BatchNormalization", "c1 g g g g", "n"), node("Relu", "n", "r"),
        node("MaxPool", "r", "p", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), node("Slice", "p", "q", starts=[0], ends=[3], axes=[2]),
        node("AveragePool", "q", "a", kernel_shape=[2, 2], auto_pad="SAME_UPPER"), node("Dropout", "a", "d"),
        node("Concat", "d d", "e", axis=1), node("Split", "e", "f h", axis=1, split=[4, 4]), node("Transpose", "f", "t", perm=[0, 2, 3, 1]),
        node("ReduceMean", "t", "m", axes=[3], keepdims=1), node("Add", "t m", "o"), node("Pad", "o", "pp", pads=[0, 0, 0, 0, 0, 0, -1, 0]),
        node("Reshape", "o s", "l"), node("Gemm", "l v c", "k", transB=1), node("ImageDecoder", "k", "hm"), node("Softmax", "k"),
    ]  # fmt: skip
    return make_model(nodes, X, constants=constants, opset=9).SerializeToString()


SEEDS: list[Callable[[], bytes]] = [
    _small_network,
    lambda: _seed(light("zfnet512")),
    lambda: _seed(SHIPPED / "simple/test_sequence_model1/model.onnx"),
    lambda: _seed(SHIPPED / "pytorch-operator/test_operator_convtranspose/model.onnx"),
]


def test_the_small_network_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(_small_network())
    report = nncost.count(str(path))
    assert [entry["op"] for entry in report.unknown] == ["ImageDecoder"]


@given(seed=st.sampled_from([make() for make in SEEDS]), choices=st.data())
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_damaged_files_raise_our_errors_alone(seed: bytes, choices: st.DataObject, tmp_path: Path) -> None:
    damaged = bytearray(seed)
    for _ in range(choices.draw(st.integers(0, 8))):
        damaged[choices.draw(st.integers(0, len(seed) - 1))] = choices.draw(st.integers(0, 255))
    if choices.draw(st.booleans()):
        del damaged[choices.draw(st.integers(0, len(seed) - 1)) :]
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damaged)
    for options in ({}, {"loss": "squared_error", "optimizer": "sgd"}, {"batch": 3}, {"batch": "B"}):
        try:
            nncost.count(str(path), **options)
        except NncostError as error:
            assert str(error)


EXTREMES = [0, 1, -1, 7, 2**31, 2**62, -(2**63), 2**63 - 1]


@given(example=st.sampled_from(EXAMPLES), choices=st.data())
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_extreme_numbers_raise_our_errors_alone(example: Example, choices: st.DataObject, tmp_path: Path) -> None:
    """Sizes, axes and settings that no network has, in every lowering."""
    model = example.model()
    places: list[Callable[[int], None]] = []
    for each in model.graph.node:
        for attribute in each.attribute:
            places.append(lambda n, a=attribute: setattr(a, "i", n))  # type: ignore[misc]
            places += [lambda n, a=attribute, k=k: a.ints.__setitem__(k, n) for k in range(len(attribute.ints))]  # type: ignore[misc]
    for given_input in model.graph.input:
        places += [lambda n, d=dim: setattr(d, "dim_value", n) for dim in given_input.type.tensor_type.shape.dim]  # type: ignore[misc]
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:
            places.append(lambda n, t=tensor: setattr(t, "raw_data", np.int64(n).tobytes() + t.raw_data[8:]))  # type: ignore[misc]
        places += [lambda n, t=tensor, k=k: t.dims.__setitem__(k, n) for k in range(len(tensor.dims))]  # type: ignore[misc]
    for place in choices.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)):
        place(choices.draw(st.sampled_from(EXTREMES)))
    path = saved(model, tmp_path)
    for options in ({}, {"loss": "sum"}, {"batch": 3}):
        try:
            nncost.count(path, **options)
        except NncostError as error:
            assert str(error)
