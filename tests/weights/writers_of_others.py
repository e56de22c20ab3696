"""Files of TensorFlow, TensorFlow Lite and Flax, written byte by byte: their packages are not needed for tests."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

WIDTHS = {1: 4, 9: 8, 14: 2, 6: 1}
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


# ------------------------------------------------------------------- Protocol Buffers and sorted tables
def varint(number: int) -> bytes:
    more, last = divmod(number, 128)
    return bytes([last | 128]) + varint(more) if more else bytes([last])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    result = b""
    for number, value in fields:
        whole = varint(value) if isinstance(value, int) else varint(len(value)) + value
        result += varint(number << 3 | (0 if isinstance(value, int) else 2)) + whole
    return result


def block(entries: Mapping[bytes, bytes]) -> bytes:
    """Entries whose keys leave out what they share with the one before."""
    result, before = b"", b""
    for key, value in entries.items():
        shared = next(
            (n for n, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(len(before), len(key))
        )
        result += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return result + struct.pack("<II", 0, 1)


def table(entries: Mapping[bytes, bytes]) -> bytes:
    content = b""
    places = {}
    keys = sorted(entries)
    for first in range(0, len(keys), 3):
        some = keys[first : first + 3]
        inner = block({key: entries[key] for key in some})
        places[some[-1]] = varint(len(content)) + varint(len(inner))
        content += inner + bytes(5)
    index = block(places)
    footer = varint(0) + varint(0) + varint(len(content)) + varint(len(index))
    return content + index + bytes(5) + footer.ljust(40, b"\0") + MAGIC


def tensorflow(
    folder: Path,
    variables: Mapping[str, tuple[int, tuple[int, ...]]],
    name: str = "model.ckpt",
    names: Mapping[str, str] | None = None,
) -> Path:
    """An index with its data file; ``names`` are what Keras calls the variables, in a graph of objects."""
    entries, place = {b"": message((1, 1))}, 0
    data = b""
    for key, (kind, shape) in variables.items():
        size = prod(shape) * WIDTHS[kind]
        axes = b"".join(message((2, message((1, axis)))) for axis in shape)
        entries[key.encode()] = message((1, kind), (2, axes), (4, place), (5, size), (6, b""))
        data, place = data + bytes(size), place + size
    if names:
        nodes = [
            message((2, message((1, b"VARIABLE_VALUE"), (2, full.encode()), (3, key.encode()))))
            for key, full in names.items()
        ]
        graph = message(*((1, node) for node in nodes))
        stored = varint(len(graph)) + bytes(4) + graph
        entries[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = message((1, 7), (4, place), (5, len(stored)))
        data += stored
    (folder / f"{name}.index").write_bytes(table(entries))
    (folder / f"{name}.data-00000-of-00001").write_bytes(data)
    return folder / f"{name}.index"


# ------------------------------------------------------------------- FlatBuffers
Flat = dict[int, Any]
"""Fields by number: numbers with their code, tables, lists of tables, bytes, or lists of numbers with their code."""


def flat(root: Flat) -> bytes:
    content = bytearray(b"\0\0\0\0TFL3")
    _put(content, 0, _table(content, root))
    return bytes(content)


def _put(content: bytearray, place: int, target: int) -> None:
    content[place : place + 4] = struct.pack("<I", target - place)


def _table(content: bytearray, fields: Flat) -> int:
    count = max(fields, default=-1) + 1
    layout = len(content)
    content += struct.pack("<HH", 4 + 2 * count, 4 + 8 * count) + bytes(2 * count)
    start = len(content)
    content += struct.pack("<i", start - layout) + bytes(8 * count)
    for number, value in fields.items():
        place = start + 4 + 8 * number
        content[layout + 4 + 2 * number : layout + 6 + 2 * number] = struct.pack("<H", place - start)
        if isinstance(value, tuple) and isinstance(value[1], int):
            packed = struct.pack(f"<{value[0]}", value[1])
            content[place : place + len(packed)] = packed
        else:
            _put(content, place, _inner(content, value))
    return start


def _inner(content: bytearray, value: Any) -> int:
    if isinstance(value, dict):
        return _table(content, value)
    start = len(content)
    if isinstance(value, bytes):
        content += struct.pack("<I", len(value)) + value
    elif isinstance(value, tuple):
        content += struct.pack(f"<I{len(value[1])}{value[0]}", len(value[1]), *value[1])
    else:
        content += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for number, each in enumerate(value):
            _put(content, start + 4 + 4 * number, _table(content, each))
    return start


def tflite(folder: Path, tensors: list[tuple[str, int, tuple[int, ...], int, int]], name: str = "model.tflite") -> Path:
    """Constants with name, type, shape, bytes and number of scales; tensors without bytes are activations."""
    described, buffers = [], [{}]
    for tensor, kind, shape, size, scales in tensors:
        fields: Flat = {
            0: ("i", list(shape)),
            1: ("b", kind),
            2: ("I", len(buffers) if size else 0),
            3: tensor.encode(),
        }
        if scales:
            fields[4] = {2: ("f", [1.0] * scales), 3: ("q", [0] * scales)}
        described.append(fields)
        buffers += [{0: bytes(size)}] if size else []
    (folder / name).write_bytes(flat({0: ("I", 3), 2: [{0: described}], 4: buffers}))
    return folder / name


# ------------------------------------------------------------------- MessagePack
def packed(value: Any) -> bytes:
    if isinstance(value, dict):
        return struct.pack(">BH", 0xDE, len(value)) + b"".join(
            packed(key) + packed(each) for key, each in value.items()
        )
    if isinstance(value, (list, tuple)):
        return struct.pack(">BH", 0xDC, len(value)) + b"".join(map(packed, value))
    if isinstance(value, str):
        return struct.pack(">BB", 0xD9, len(value)) + value.encode()
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    if isinstance(value, np.ndarray):
        inner = packed((value.shape, value.dtype.name, value.tobytes()))
        return struct.pack(">BIb", 0xC9, len(inner), 1) + inner
    if isinstance(value, bool) or value is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    return struct.pack(">Bq", 0xD3, value) if isinstance(value, int) else struct.pack(">Bd", 0xCB, value)


def flax(folder: Path, value: Any, name: str = "flax_model.msgpack") -> Path:
    (folder / name).write_bytes(packed(value))
    return folder / name


# ------------------------------------------------------------------- Keras
def keras_archive(
    folder: Path, layers: Mapping[str, list[tuple[str, tuple[int, ...]]]], modes: Mapping[str, str] | None = None,
    name: str = "model.keras", compression: int = zipfile.ZIP_STORED,
) -> Path:  # fmt: skip
    """A ``.keras`` file; ``modes`` say how the layers are quantized."""
    inner = BytesIO()
    with h5py.File(inner, "w") as file:
        for layer, variables in layers.items():
            group = file.create_group(f"{layer}/vars")
            group.attrs["name"] = layer.rpartition("/")[2]
            for number, (dtype, shape) in enumerate(variables):
                group.create_dataset(str(number), data=np.zeros(shape, dtype))
    configured = [
        {"class_name": "Dense", "config": {"name": layer, "dtype": {"config": {"mode": mode}}}}
        for layer, mode in (modes or {}).items()
    ]
    with zipfile.ZipFile(folder / name, "w", compression) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.5.0"}')
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": configured}}))
        archive.writestr("model.weights.h5", inner.getvalue())
    return folder / name
