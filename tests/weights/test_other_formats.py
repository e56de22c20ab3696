"""Formats of other frameworks: Keras archives, TensorFlow, TensorFlow Lite, Flax, single arrays, types NumPy has no name for."""

from __future__ import annotations

import json
import struct
import zipfile
from math import prod
from pathlib import Path

import h5py
import numpy as np
import pytest

from nncost.cli.main import run
from nncost.frontends import registry
from tests.weights.writers import count, keras, refused
from tests.weights.writers_of_others import MAGIC, flat, flax, keras_archive, packed, table, tensorflow, tflite

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
FLOAT, INT64 = 1, 9
FLOAT_LITE, INT32_LITE, INT8_LITE, INT4_LITE = 0, 2, 9, 17


def figures(path: Path) -> tuple[int, ...]:
    p = count(path).parameters
    return p.total, p.weights, p.biases, p.other, p.buffers, p.bytes


# ------------------------------------------------------------------- NumPy
@pytest.mark.parametrize(
    ("stored", "name", "width"), [("<V2", "bfloat16", 2), ("<V1", "float8", 1), ("<f1", "float8", 1)]
)
def test_types_that_numpy_does_not_name(stored: str, name: str, width: int, tmp_path: Path) -> None:
    """As ``numpy.savez`` writes bfloat16, float8_e4m3fn and float8_e5m2 of the package ``ml_dtypes``."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for last, shape in (("kernel", (16, 8)), ("bias", (8,))):
            text = repr({"descr": stored, "fortran_order": False, "shape": shape}).encode()
            header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
            archive.writestr(f"fc.{last}.npy", header + bytes(prod(shape) * width))
    assert figures(tmp_path / "a.npz") == (136, 128, 8, 0, 0, 136 * width)
    assert count(tmp_path / "a.npz").storage.dtypes.keys() == {name}
    assert any("without a name" in note for note in count(tmp_path / "a.npz").notes) == (width == 1)


def test_records_are_no_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(4, dtype=[("x", "i1"), ("y", "i1")]), b=np.zeros((3, 4)))
    assert count(tmp_path / "a.npz").parameters.total == 12


def test_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", np.zeros((3, 4), "f4"))
    assert figures(tmp_path / "table.npy") == (12, 12, 0, 0, 0, 48)
    assert count(tmp_path / "table.npy").rows[0].path == "table"
    content = (tmp_path / "table.npy").read_bytes()
    (tmp_path / "table.npy").write_bytes(content[:-1])
    refused(tmp_path / "table.npy", "claims 48 bytes, 47 are stored")
    np.save(tmp_path / "table.npy", np.array([{}], dtype=object))
    refused(tmp_path / "table.npy", "Python objects")


# ------------------------------------------------------------------- Keras
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_keras_archives(compression: int, tmp_path: Path) -> None:
    layers = {
        "layers/dense": [("f4", (20, 10)), ("f4", (10,))], "layers/batch_normalization": [("f4", (10,))] * 4,
        "optimizer": [("f4", ()), ("f4", (20, 10))],
    }  # fmt: skip
    path = keras_archive(tmp_path, layers, compression=compression)
    assert figures(path) == (230, 210, 20, 0, 20, 920)
    assert any("2 tensors of the optimizer are left out (804 bytes)" in note for note in count(path).notes)


def test_archives_that_are_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    refused(tmp_path / "a.keras", "model.weights.h5")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"nonsense")
    refused(tmp_path / "a.keras", "not a .keras file")
    np.savez(tmp_path / "b.npz", a=np.zeros(3))
    refused((tmp_path / "b.npz").rename(tmp_path / "b.keras"), "not a .keras file")


QUANTIZED = {
    "int8": ([("i1", (20, 10)), ("f4", (10,)), ("f4", (10,))], (210, 10, 8)),
    "int8 without a bias": ([("i1", (20, 10)), ("f4", (10,))], (200, 0, 8)),
    "a table": ([("i1", (50, 16)), ("f4", (50,))], (800, 0, 8)),
    "int4 of groups": ([("i1", (20, 5)), ("f4", (10,)), ("f4", (1, 10)), ("i1", (1, 10)), ("f4", (20,))], (210, 10, 4)),
    "int4 of groups without a bias": ([("i1", (10, 3)), ("f4", (1, 6)), ("i1", (1, 6)), ("f4", (10,))], (60, 0, 4)),
    "GPTQ": ([("f4", (10,)), ("u1", (5, 20)), ("f4", (10, 1)), ("u1", (10, 1)), ("f4", (20,))], (210, 10, 4)),
    "float8": ([("f4", (20, 10)), ("f4", (10,)), *[("f4", ()), ("f4", (64,))] * 3], (210, 10, 0)),
}  # fmt: skip


@pytest.mark.parametrize("form", QUANTIZED)
def test_quantized_layers_of_keras(form: str, tmp_path: Path) -> None:
    variables, (total, biases, bits) = QUANTIZED[form]
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for number, (dtype, shape) in enumerate(variables):
            file[f"layers/dense/vars/{number}"] = np.zeros(shape, dtype)
    report = count(tmp_path / "a.weights.h5")
    stored = sum(np.zeros(shape, dtype).nbytes for dtype, shape in variables)
    assert (report.parameters.total, report.parameters.biases, report.parameters.buffers) == (total, biases, 0)
    assert report.storage.bytes == stored == report.parameters.bytes + report.storage.quantization_bytes
    if bits:
        weight = next(tensor for tensor in report.storage.tensors if tensor.role == "weight")
        assert 8 * weight.bytes == bits * weight.elements


def test_four_bits_that_only_the_configuration_tells(tmp_path: Path) -> None:
    layers = {"layers/dense": [("i1", (10, 10)), ("f4", (10,)), ("f4", (10,))]}
    assert count(keras_archive(tmp_path, layers)).parameters.total == 110
    assert count(keras_archive(tmp_path, layers, {"dense": "int4"})).parameters.total == 210


def test_an_optimizer_of_keras_alone(tmp_path: Path) -> None:
    report = count(keras(tmp_path, {"optimizer": [(8, 10), (10,)]}))
    assert (report.parameters.total, report.storage.bytes) == (0, 360)
    assert "an optimizer's state" in report.notes[1]


# ------------------------------------------------------------------- TensorFlow
def test_a_checkpoint_of_tensorflow(tmp_path: Path) -> None:
    variables = {
        "dense/kernel": (FLOAT, (20, 10)), "dense/bias": (FLOAT, (10,)), "bn/moving_mean": (FLOAT, (10,)), "global_step": (INT64, ()),
        "dense/kernel/Adam": (FLOAT, (20, 10)), "dense/kernel/Adam_1": (FLOAT, (20, 10)), "beta1_power": (FLOAT, ()),
    }  # fmt: skip
    path = tensorflow(tmp_path, variables)
    assert figures(path) == (210, 200, 10, 0, 11, 840)
    assert any("3 tensors of the optimizer (1,604 bytes)" in note for note in count(path).notes)
    assert [row.path for row in count(path).rows] == ["bn", "dense", "global_step"]
    assert count(path.with_suffix("")).parameters.total == count(tmp_path).parameters.total == 210


def test_the_latest_checkpoint_of_a_folder(tmp_path: Path) -> None:
    for step, width in ((9, 2), (10, 3), (2, 4)):
        tensorflow(tmp_path, {"w": (FLOAT, (width, 1))}, f"model.ckpt-{step}")
    assert count(tmp_path).parameters.total == 3


def test_a_saved_model_of_keras(tmp_path: Path) -> None:
    """Its variables are numbered; the graph of objects has their names, and where an export keeps them once more."""
    names = {"0": "net/dense/kernel", "1": "net/dense/bias", "2": "net/bn/moving_variance"}
    shapes = {"0": (20, 10), "1": (10,), "2": (10,)}
    variables = {
        f"{place}/{n}{VALUE}": (FLOAT, shape)
        for place in ("variables", "_all_variables")
        for n, shape in shapes.items()
    }
    known = {key: names[key.split("/")[1]] for key in variables}
    variables |= {
        f"optimizer/_variables/0{VALUE}": (FLOAT, (9,)),
        f"optimizer/_trainable_variables/0{VALUE}": (FLOAT, (7, 3)),
    }
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    tensorflow(
        tmp_path / "variables",
        variables,
        "variables",
        known | {f"optimizer/_trainable_variables/0{VALUE}": "net/other/kernel"},
    )
    assert registry.front_end_for(str(tmp_path)).kind == "weights"
    assert figures(tmp_path) == (231, 221, 10, 0, 10, 924)
    assert any("3 tensors that stand there twice (880 bytes)" in note for note in count(tmp_path).notes)


def test_data_files_of_tensorflow(tmp_path: Path) -> None:
    path = tensorflow(tmp_path, {"w": (FLOAT, (4, 3))})
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(bytes(47))
    refused(path, "should have 48 bytes and has 47")
    data.unlink()
    assert count(path).parameters.total == 12
    assert any("1 data file that it names is not there" in note for note in count(path).notes)


HEADER = {b"": b"\x08\x01"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0" * 64, "does not end like"), (b"\xff" * 40 + MAGIC, "has no end"), (bytes([9, 9, 200, 1, 9]).ljust(40, b"\0") + MAGIC, "ends behind"),
        (table({}), "no header"), (table({b"": b"\x08\x00"}), "no header"), (table({b"": b"\x0f"}), "unknown kind"), (table({b"": b"\x0a\xff\x01"}), "more than are left"),
        (table(HEADER | {b"w": b"\x08\x63"}), "unknown type 99"), (table(HEADER | {b"w": b"\x08\x01\x12\x04\x12\x02\x08\x05"}), "claims 20 bytes, 0 are stored"),
        (table(HEADER | {b"w": b"\x08\x01\x18\x05"}), "data file 5 of 1"), (table(HEADER | {b"\xff\xfe": b"\x08\x01\x28\x04"}), "utf-8"),
        (table(HEADER | {b"w": b"\x0a\x01a"}), "no number"), (table(HEADER | {b"w": b"\x10\x01"}), "is a number"),
        (table(HEADER | {b"w": b"\x08\x01\x12\x0d\x12\x0b\x08" + b"\xff" * 9 + b"\x01"}), "negative or too large"),
    ],
)  # fmt: skip
def test_damaged_indexes_of_tensorflow(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.index").write_bytes(content)
    refused(tmp_path / "a.index", message)


# ------------------------------------------------------------------- TensorFlow Lite
def test_tensorflow_lite(tmp_path: Path) -> None:
    tensors = [
        ("x", FLOAT_LITE, (1, 20), 0, 0), ("net/dense/MatMul", FLOAT_LITE, (10, 20), 800, 0), ("net/dense/BiasAdd/ReadVariableOp", FLOAT_LITE, (10,), 40, 0),
        ("net/reshape/shape", INT32_LITE, (2,), 8, 0),
    ]  # fmt: skip
    assert figures(tflite(tmp_path, tensors)) == (210, 200, 10, 0, 2, 840)


def test_quantized_tensorflow_lite(tmp_path: Path) -> None:
    tensors = [
        ("a/MatMul", INT8_LITE, (10, 20), 200, 10), ("a/BiasAdd", INT32_LITE, (10,), 40, 10), ("b/MatMul", INT4_LITE, (5, 5), 13, 1),
        ("y", INT8_LITE, (1, 10), 0, 1),
    ]  # fmt: skip
    report = count(tflite(tmp_path, tensors))
    assert (report.parameters.total, report.parameters.biases, report.parameters.bytes) == (235, 10, 253)
    assert report.storage.quantization_bytes == 21 * 12
    assert report.storage.formats.keys() == {"TensorFlow Lite"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1c\0\0\0TFL3" + bytes(64), "no tensors"), (b"\xff\xff\xff\x7fTFL3", "behind its end"), (b"\x08\0\0\0TFL3\xff\xff\xff\x7f", "before its beginning"),
        (flat({2: [{0: [{2: ("I", 7)}]}], 4: [{}]}), "names the buffer 7 of 1"),
        (flat({2: [{0: [{0: ("i", [9, 9]), 2: ("I", 1), 3: b"a"}]}], 4: [{}, {0: bytes(4)}]}), "needs more than its 4 bytes"),
        (flat({2: [{0: [{0: ("i", [-1]), 2: ("I", 1), 3: b"a"}]}], 4: [{}, {0: bytes(4)}]}), "a size that is none"),
        (flat({2: [{0: [{1: ("b", 99), 2: ("I", 1), 3: b"a"}]}], 4: [{}, {0: bytes(4)}]}), "unknown type 99"),
        (flat({2: [{0: [{2: ("I", 1), 3: b"\xff"}]}], 4: [{}, {0: bytes(4)}]}), "utf-8"),
        (flat({2: [{0: [{2: ("I", 1), 3: b"a"}]}], 4: [{}, {1: ("Q", 10**15), 2: ("Q", 4)}]}), "ends behind the file"),
    ],
    ids=range(9),
)  # fmt: skip
def test_damaged_tensorflow_lite(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(content)
    refused(tmp_path / "a.tflite", message)


# ------------------------------------------------------------------- Flax
DENSE = {"kernel": np.zeros((20, 10), "f4"), "bias": np.zeros(10, "f4")}


def test_flax(tmp_path: Path) -> None:
    value = {
        "params": {"Dense_0": DENSE},
        "batch_stats": {"norm": {"mean": np.zeros(10, "f4")}},
        "step": 7,
        "rate": 0.5,
        "none": None,
    }
    assert figures(flax(tmp_path, value)) == (210, 200, 10, 0, 10, 840)
    assert [row.path for row in count(tmp_path / "flax_model.msgpack").rows][:1] == ["params.Dense_0"]


def test_a_training_state_of_flax(tmp_path: Path) -> None:
    path = flax(tmp_path, {"step": 3, "params": {"Dense_0": DENSE}, "opt_state": {"0": {"mu": DENSE, "nu": DENSE}}})
    assert count(path).parameters.total == 210
    assert any("4 tensors of the optimizer (1,680 bytes)" in note for note in count(path).notes)


def test_chunks_of_flax(tmp_path: Path) -> None:
    chunks = {"0": np.zeros(150, "f4"), "1": np.zeros(50, "f4")}
    value = {"kernel": {"__msgpack_chunked_array__": True, "shape": {"0": 20, "1": 10}, "chunks": chunks}}
    assert figures(flax(tmp_path, value)) == (200, 200, 0, 0, 0, 800)
    value["kernel"]["shape"] = {"0": 21, "1": 10}
    refused(flax(tmp_path, value), "claims 840 bytes, 800 are stored")


def _array(shape: object, dtype: object, numbers: object) -> bytes:
    inner = packed((shape, dtype, numbers))
    return b"\x81\xa1a" + struct.pack(">BIb", 0xC9, len(inner), 1) + inner


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93\x01", "ends within|more than are left"), (b"\x01", "no map"), (b"\x80", "no tensors"), (b"\x80\x80", "goes on"), (b"\xc1", "unknown kind 0xc1"),
        (b"\xdf\xff\xff\xff\xff", "more than are left"), (b"\x81\xa1a\xc6\xff\xff\xff\xff", "more than are left"), (b"\x81" * 500, "nested more than 64"),
        (b"\x82\xa1a\x01\xa1a\x01", "twice"), (b"\x81\xa1\xff\x01", "utf-8"), (_array((3,), "float32", bytes(8)), "claims 12 bytes, 8 are stored"),
        (_array((-1,), "float32", b""), "a size that is none"), (_array((2**63 - 1,) * 3, "float32", b""), "claims"), (_array((1,), "object", b""), "unknown type"),
        (_array((1,), 7, b""), "unknown type"), (_array("x", "float32", 3), "claims"),
    ],
    ids=range(16),
)  # fmt: skip
def test_damaged_flax(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.msgpack").write_bytes(content)
    refused(tmp_path / "a.msgpack", message)


# ------------------------------------------------------------------- what is not read
@pytest.mark.parametrize("magic", [0x67676D6C, 0x67676D66, 0x67676A74, 0x67676C61])
@pytest.mark.parametrize("ending", ["bin", "gguf"])
def test_ggml_is_named(ending: str, magic: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"model-q4_0.{ending}"
    path.write_bytes(struct.pack("<9I", magic, 3, 32_000, 4096, 256, 32, 32, 128, 2) + bytes(64))
    assert run(["count", str(path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "before GGUF" in said
    assert "convert_llama_ggml_to_gguf.py" in said


def test_endings_are_named_in_json_too(tmp_path: Path) -> None:
    """A file of one format under the ending of another is named."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    refused((tmp_path / "a.npy").rename(tmp_path / "a.npz"), "starts like NumPy(.|\n)*npy")
    (tmp_path / "a.msgpack").write_text(json.dumps({"a": 1}))
    refused(tmp_path / "a.msgpack", "MessagePack")
