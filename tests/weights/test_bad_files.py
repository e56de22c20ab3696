"""Whatever is wrong with a checkpoint, the answer is one clear error of our own, soon and in little memory."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import gguf
import h5py
import numpy as np
import pytest
import torch

from nncost.errors import OptionError
from tests.weights.writers import (
    count,
    described,
    gguf_file,
    keras,
    network,
    raw_gguf,
    raw_safetensors,
    refused,
    safetensors,
)
from tests.weights.writers_of_others import flax, keras_archive, tensorflow, tflite

ENDINGS = [
    "safetensors", "gguf", "npz", "npy", "h5", "weights.h5", "keras", "pt", "pth", "bin", "ckpt", "msgpack", "tflite", "index",
    "safetensors.index.json", "safetensors.index.fp16.json",
]  # fmt: skip
F32, Q4_0 = 0, 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_missing_empty_and_folders(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    refused(path, "there is no file")
    path.write_bytes(b"")
    refused(path, "is empty")
    path.unlink()
    os.mkfifo(path)
    refused(path, "not a regular file")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "content",
    [
        b"\x00" * 99,
        b"784-16-16-10",
        b"\x89PNG\r\n\x1a\n",
        b"version https://git-lfs.github.com/spec/v1",
        bytes(range(256)),
    ],
)
def test_other_content(ending: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    refused(path, r"net\.")


def _npz(folder: Path) -> Path:
    np.savez(folder / "net.npz", a=np.zeros((3, 4)), b=np.zeros(4))
    return folder / "net.npz"


def _npy(folder: Path) -> Path:
    np.save(folder / "net.npy", np.zeros((3, 4)))
    return folder / "net.npy"


def _quantized(folder: Path) -> Path:
    state = json.dumps({"shape": [8, 8]}).encode()
    tensors = {
        "a.qweight": ("I32", (1, 8)), "a.scales": ("F16", (1, 8)), "a.qzeros": ("I32", (1, 1)), "b.weight_packed": ("I32", (8, 1)),
        "b.weight_scale": ("F16", (8, 1)), "b.weight_shape": ("I64", (2,), struct.pack("<2q", 8, 8)), "c.weight": ("U8", (32, 1)),
        "c.weight.absmax": ("F32", (1,)), "c.weight.quant_map": ("F32", (16,)),
        "c.weight.quant_state.bitsandbytes__nf4": ("U8", (len(state),), state),
    }  # fmt: skip
    return described(folder, tensors, "quantized.safetensors")


def _torch(folder: Path) -> Path:
    torch.save(network().state_dict(), folder / "net.pt")
    return folder / "net.pt"


def _old_torch(folder: Path) -> Path:
    torch.save(network().state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    return folder / "old.pt"


GOOD: dict[str, Callable[[Path], Path]] = {
    "safetensors": safetensors, "gguf": lambda folder: gguf_file(folder, a=gguf.GGMLQuantizationType.Q4_K), "npz": _npz,
    "h5": lambda folder: keras(folder, {"layers/dense": [(8, 10), (10,)]}), "pt": _torch, "old.pt": _old_torch,
    "npy": _npy, "quantized": _quantized, "keras": lambda folder: keras_archive(folder, {"layers/dense": [("i1", (8, 10)), ("f4", (10,)), ("f4", (10,))]}, {"dense": "int8"}),
    "index": lambda folder: tensorflow(folder, {"dense/kernel": (1, (8, 10)), "dense/bias": (1, (10,))}, names={"dense/bias": "net/bias"}),
    "tflite": lambda folder: tflite(folder, [("a/MatMul", 9, (8, 10), 80, 8), ("a/BiasAdd", 0, (8,), 32, 0)]),
    "msgpack": lambda folder: flax(folder, {"params": {"kernel": np.zeros((8, 10), "f4"), "bias": np.zeros(10, "f4")}}),
}  # fmt: skip


@pytest.mark.parametrize("form", GOOD)
def test_cut_short(form: str, tmp_path: Path) -> None:
    path = GOOD[form](tmp_path)
    content = path.read_bytes()
    for kept in (1, 7, 8, 9, 40, len(content) // 3, len(content) // 2, len(content) - 65, len(content) - 1):
        path.write_bytes(content[:kept])
        refused(path, "cut short|damaged|starts like")


@pytest.mark.parametrize("form", GOOD)
@pytest.mark.parametrize("ending", ["safetensors", "gguf", "npz", "h5", "pt"])
def test_endings_that_lie(form: str, ending: str, tmp_path: Path) -> None:
    path = GOOD[form](tmp_path)
    if path.suffix == f".{ending}":
        return
    refused(path.rename(tmp_path / f"lies.{ending}"), "starts like|is not a|no array|pickle")


# ------------------------------------------------------------------- safetensors
def _tensor(shape: list[int], end: int, start: int = 0, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


TWICE = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": _tensor([10**18], 4 * 10**18)}, 4), ({"a": _tensor([10**18], 4)}, 4), ({"a": _tensor([2**62, 2**62], 4)}, 4),
        ({"a": _tensor([1], 4), "b": _tensor([1], 4)}, 4), ({"a": _tensor([1], 8, 4)}, 8), ({"a": _tensor([1], 2, 6)}, 8),
        ({"a": _tensor([-1], 4)}, 4), ({"a": _tensor([1], -4)}, 4), ({"a": _tensor([1], 4, dtype="F99")}, 4), ({"a": _tensor([2], 4)}, 4),
        ({"a": _tensor([1], 4)}, 400), ({"a": [1]}, 4), ([], 0), (b"[" * 100_000, 0), (b'{"a":' * 100_000, 0), (b"\xff" * 50, 0), (TWICE, 1),
    ],
)  # fmt: skip
def test_headers_of_safetensors(header: object, data: int, tmp_path: Path) -> None:
    refused(raw_safetensors(tmp_path, header, data), "not a safetensors file")


def test_length_of_the_header(tmp_path: Path) -> None:
    for length in (0, 10**18, 2**64 - 1, 1000):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
        refused(tmp_path / "a.safetensors", "header claims")


def test_no_tensors(tmp_path: Path) -> None:
    refused(raw_safetensors(tmp_path, {}), "no tensors")
    refused(raw_gguf(tmp_path, []), "no tensors")
    np.savez(tmp_path / "a.npz")
    refused(tmp_path / "a.npz", "no tensors")
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "no tensors")
    refused(keras(tmp_path, {}), "no tensors")


# ------------------------------------------------------------------- GGUF
def _field(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


HUGE_LIST, HUGE_TEXTS = struct.pack("<IQ", 4, 10**18), struct.pack("<IQ", 8, 10**18)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tensor_count": 10**18}, "claims 1,000,000,000,000,000,000 tensors"), ({"tensor_count": 5}, "ends within"),
        ({"field_count": 2**63}, "ends within|a name claims|twice"), ({"version": 0}, "version 0"), ({"version": 99}, "version 99"),
        ({"field_count": 1, "fields": _field(b"k", 9, HUGE_LIST)}, "more than are left"),
        ({"field_count": 1, "fields": _field(b"k", 9, HUGE_TEXTS)}, "texts are accepted"),
        ({"field_count": 1, "fields": _field(b"k", 8, struct.pack("<Q", 2**63))}, "more than are left"),
        ({"field_count": 1, "fields": _field(b"k", 77, b"")}, "unknown kind 77"),
        ({"field_count": 1, "fields": _field(b"\xff", 0, b"1")}, "utf-8"),
        ({"field_count": 2, "fields": _field(b"k", 0, b"1") * 2}, "twice"),
        ({"field_count": 1, "fields": _field(b"general.alignment", 4, struct.pack("<I", 0))}, "power of two"),
        ({"field_count": 1, "fields": _field(b"general.alignment", 5, struct.pack("<I", 32))}, "no uint32"),
        ({"tensors": [(b"a", (2**62, 2**62), F32, 0)]}, "ends at byte"), ({"tensors": [(b"a", (16,), F32, 2**60)]}, "ends at byte"),
        ({"tensors": [(b"a", (16,), F32, 0), (b"b", (16,), F32, 32)]}, "overlaps"), ({"tensors": [(b"a", (16,), 4, 0)]}, "unknown type 4"),
        ({"tensors": [(b"a", (31,), Q4_0, 0)]}, "whole blocks"), ({"tensors": [(b"a", (1,) * 5, F32, 0)]}, "5 axes"),
        ({"tensors": [(b"a", (1,), F32, 0), (b"a", (1,), F32, 32)]}, "twice"), ({"tensors": [(b"\xff", (1,), F32, 0)]}, "utf-8"),
        ({"tensors": [(b"a" * 70_000, (1,), F32, 0)]}, "a name claims"),
    ],
)  # fmt: skip
def test_headers_of_gguf(options: dict[str, object], message: str, tmp_path: Path) -> None:
    path = raw_gguf(tmp_path, **({"tensors": [], "data": 64} | options))  # type: ignore[arg-type]
    refused(path, message)


def test_big_endian_gguf(tmp_path: Path) -> None:
    assert count(raw_gguf(tmp_path, [(b"a.weight", (8, 4), F32, 0)], data=128, order=">")).parameters.total == 32


def test_version_1_of_gguf(tmp_path: Path) -> None:
    """Its lengths have four bytes."""
    field = struct.pack("<I", 1) + b"k" + struct.pack("<III", 8, 3, 0)[:8] + b"abc"
    tensor = struct.pack("<I", 8) + b"a.weight" + struct.pack("<III", 2, 32, 4) + struct.pack("<IQ", F32, 0)
    content = b"GGUF" + struct.pack("<III", 1, 1, 1) + field + tensor
    (tmp_path / "a.gguf").write_bytes(content + bytes(-len(content) % 32) + bytes(512))
    p = count(tmp_path / "a.gguf").parameters
    assert (p.total, p.bytes) == (128, 512)
    (tmp_path / "a.gguf").write_bytes(content)
    refused(tmp_path / "a.gguf", "ends at byte")


# ------------------------------------------------------------------- zip: NumPy and PyTorch
def _npy_content(
    shape: object, descr: str = "<f4", data: int = 4, header: bytes | None = None, version: bytes = b"\x01\x00"
) -> bytes:
    text = header or repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + bytes(data)


@pytest.mark.parametrize(
    "content",
    [
        _npy_content((10**18,)), _npy_content((-1,)), _npy_content((2,)), _npy_content("x"), _npy_content((1,), "nonsense"), _npy_content((1,), version=b"\x09\x00"), b"no array", b"",
        _npy_content((1,), header=b"(" * 9_000), _npy_content((1,), header=b"9" * 9_000), _npy_content((1,), header=b"\xff" * 90),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), _npy_content((True,)), _npy_content((1, 2**62, 2**62)),
    ],
)  # fmt: skip
def test_headers_of_arrays(content: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    if content != _npy_content((True,)):
        refused(tmp_path / "a.npz", r"not a \.npz file")


def test_arrays_of_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    refused(tmp_path / "a.npz", "Python objects")
    np.savez(tmp_path / "b.npz", a=np.zeros(2, dtype=[("x", "f4"), ("y", "O")]))
    refused(tmp_path / "b.npz", "Python objects")


def test_a_zip_bomb_is_not_expanded(tmp_path: Path) -> None:
    """A gigabyte in a megabyte: the array is counted from its header, a pickle of that size is refused."""
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as member,
    ):
        member.write(_npy_content((2**26,), data=0))
        for _ in range(2**8):
            member.write(bytes(2**20))
    assert count(tmp_path / "a.npz").parameters.bytes == 2**28
    with (
        zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a/data.pkl", "w") as member,
    ):
        for _ in range(2**7):
            member.write(bytes(2**20))
    refused(tmp_path / "a.pt", "are accepted")


@pytest.mark.parametrize("field", [16, 20, 24, 42])
def test_lying_directories(field: int, tmp_path: Path) -> None:
    """Each number of the first entry and of the end of the directory, replaced by the largest."""
    path = _npz(tmp_path)
    for signature, place in ((b"PK\x01\x02", field), (b"PK\x05\x06", min(field, 16) - 4)):
        content = bytearray(path.read_bytes())
        start = content.find(signature)
        content[start + place : start + place + 4] = b"\xfe\xff\xff\x7f"
        (tmp_path / "lies.npz").write_bytes(content)
        try:
            count(tmp_path / "lies.npz")
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "SourceError"


def test_members_twice_and_locked(tmp_path: Path) -> None:
    content = _npz(tmp_path).read_bytes()
    (tmp_path / "twice.npz").write_bytes(content.replace(b"b.npy", b"a.npy"))
    refused(tmp_path / "twice.npz", "twice")
    locked = bytearray(content)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.find(signature) + place] |= 1
    (tmp_path / "locked.npz").write_bytes(locked)
    refused(tmp_path / "locked.npz", "encrypted")


def test_other_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", b"hello")
    refused(tmp_path / "a.npz", "no array")
    (tmp_path / "a.npz").rename(tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "no data.pkl")


def _resized(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def test_storages_that_are_not_there(tmp_path: Path) -> None:
    source = _torch(tmp_path)
    refused(
        _resized(source, tmp_path / "a.pt", lambda name, data: None if name.endswith("data/0") else data), "is missing"
    )
    refused(
        _resized(source, tmp_path / "b.pt", lambda name, data: data[:-4] if name.endswith("data/1") else data),
        "60 bytes",
    )


# ------------------------------------------------------------------- HDF5
def test_numbers_in_other_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("dense/kernel", (3,), "f4", external=[("/etc/passwd", 0, 12)])
    refused(tmp_path / "a.h5", "another file")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["dense"] = h5py.ExternalLink(str(tmp_path / "a.h5"), "/dense")
    refused(tmp_path / "b.h5", "no tensors")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[b"dense\xff/kernel"] = np.zeros(3)
    refused(tmp_path / "a.h5", "no UTF-8")


def test_arrays_that_are_not_stored(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("dense/kernel", (10**9, 10**9), "f4", chunks=(1000, 1000))
    refused(tmp_path / "a.h5", "chunks")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("dense/kernel", (10**6, 10**6), "f4")
    refused(tmp_path / "b.h5", "0 are stored")


# ------------------------------------------------------------------- options
@pytest.mark.parametrize(
    "options",
    [{"batch": 8}, {"loss": "sum"}, {"inputs": (1, 3)}, {"symbols": {"h": 3}}, {"mode": "train"}, {"optimizer": "sgd"}],
)
def test_settings_that_need_operations(options: dict[str, object], tmp_path: Path) -> None:
    import nncost

    with pytest.raises(OptionError, match=r"nncost count config\.json"):
        nncost.count(str(safetensors(tmp_path)), **options)  # type: ignore[arg-type]


# ------------------------------------------------------------------- shards
def _sharded(folder: Path, places: dict[str, str], form: str = "safetensors") -> Path:
    index = folder / ("model.safetensors.index.json" if form == "safetensors" else "pytorch_model.bin.index.json")
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


def test_shards(tmp_path: Path) -> None:
    safetensors(tmp_path, {"l.0.weight": np.zeros((2, 3), "f4"), "l.10.bias": np.zeros(3, "f4")}, "a.safetensors")
    safetensors(tmp_path, {"l.2.weight": np.zeros((2, 3), "f2"), "extra": np.zeros(3)}, "b.safetensors")
    places = {"l.0.weight": "a.safetensors", "l.2.weight": "b.safetensors", "l.10.bias": "a.safetensors"}
    report = count(_sharded(tmp_path, places))
    assert [row.path for row in report.rows] == ["l.0", "l.2", "l.10"]
    assert (report.parameters.total, report.parameters.bytes) == (15, 24 + 12 + 12)
    assert any("1 tensor in these files is not in the index" in note for note in report.notes)
    refused(_sharded(tmp_path, places | {"x": "b.safetensors"}), "holds the tensor 'x'")
    refused(_sharded(tmp_path, places | {"x": "c.safetensors"}), "'c.safetensors' of .* is not there")


def test_pytorch_shards(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(2, 3)}, tmp_path / "a.bin")
    torch.save({"b.bias": torch.zeros(2)}, tmp_path / "b.bin")
    assert count(_sharded(tmp_path, {"a.weight": "a.bin", "b.bias": "b.bin"}, "bin")).parameters.total == 8


@pytest.mark.parametrize(
    "name",
    ["../a.safetensors", "/etc/passwd", "x/../../a.safetensors", "..", ".", "", "C:\\a", "a\x00b", "sub/a.safetensors"],
)
def test_shards_outside(name: str, tmp_path: Path) -> None:
    refused(_sharded(tmp_path, {"a": name}), "not a plain name")


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/a.safetensors").symlink_to(safetensors(tmp_path))
    refused(_sharded(tmp_path / "inside", {"layers.0.bias": "a.safetensors"}), "a link out of its folder")
    (tmp_path / "inside/loop.safetensors").symlink_to(tmp_path / "inside/loop.safetensors")
    refused(_sharded(tmp_path / "inside", {"a": "loop.safetensors"}), "not there|cannot read|link")


def test_a_shard_whose_name_no_file_can_have(tmp_path: Path) -> None:
    name = "s" * 100_000 + ".safetensors"
    index = _sharded(tmp_path, {"w": name, "v": "a.safetensors"})
    refused(index, "'s{100}…', a longer name than a file can have")
    assert count(safetensors(tmp_path, {"v": np.zeros(3, "f4")}, "a.safetensors")).parameters.total == 3


def test_groups_deep_inside_each_other(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        file["/".join("g" * 70) + "/w"] = np.zeros(3)
    refused(tmp_path / "deep.h5", "its groups lie more than 64 deep inside each other")


def test_the_cache_of_hugging_face(tmp_path: Path) -> None:
    """Its snapshots link to the blobs of the same model."""
    snapshot = tmp_path / "models--x/snapshots/abc"
    blobs = tmp_path / "models--x/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (snapshot / "a.safetensors").symlink_to(safetensors(blobs, name="0123"))
    assert count(_sharded(snapshot, {"layers.0.bias": "a.safetensors"})).parameters.total == 16


@pytest.mark.parametrize(
    "text", ["[]", "{}", "1", "null", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": ["a"]}', '{"a": 1, "a": 2}', "[" * 100_000, "nonsense", '{"weight_map": {"\\ud800": "a"}}']
)  # fmt: skip
def test_bad_indexes(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors.index.json").write_text(text)
    refused(tmp_path / "a.safetensors.index.json", r"a\.safetensors\.index\.json")


def test_bytes_are_read_from_the_front_of_archives() -> None:
    """Guards the helper above: what it writes is what NumPy reads."""
    assert np.load(BytesIO(_npy_content((1,)))).shape == (1,)
