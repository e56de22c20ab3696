"""Checkpoints written by the packages of their formats, and the one error that a bad one must give."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import gguf
import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import nncost
from nncost.errors import NncostError, SourceError

NETWORK = {
    "layers.0.weight": np.zeros((16, 784), "f4"), "layers.0.bias": np.zeros(16, "f4"),
    "layers.2.weight": np.zeros((16, 16), "f4"), "layers.2.bias": np.zeros(16, "f4"),
    "layers.10.weight": np.zeros((10, 16), "f4"), "layers.10.bias": np.zeros(10, "f4"),
}  # fmt: skip
"""784-16-16-10: 12,960 weights and 42 biases."""


def safetensors(folder: Path, tensors: Mapping[str, np.ndarray] = NETWORK, name: str = "model.safetensors") -> Path:
    save_file(dict(tensors), folder / name)
    return folder / name


def raw_safetensors(folder: Path, header: object, data: int = 0) -> Path:
    """A header of our own making before that many bytes of data, which take no room on the disk."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "raw.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(content)) + content)
        file.truncate(8 + len(content) + data)
    return path


def described(
    folder: Path, tensors: Mapping[str, tuple[Any, ...]], name: str = "model.safetensors", **metadata: str
) -> Path:
    """Tensors given by type, shape and, where it matters, content: of types that NumPy does not have, too."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for tensor, (dtype, shape, *content) in tensors.items():
        bits = int("".join(filter(str.isdigit, dtype.split("_")[0])))
        size = prod(shape) * bits // 8
        header[tensor] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + size]}
        data += content[0] if content else bytes(size)
    text = json.dumps(header).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder / name


def gguf_file(folder: Path, name: str = "model.gguf", tokens: int = 3, **types: gguf.GGMLQuantizationType) -> Path:
    """Two rows of 512 numbers for each type, named after its layer."""
    writer = gguf.GGUFWriter(folder / name, "llama")
    writer.add_array("tokenizer.ggml.tokens", [f"token {number}" for number in range(tokens)])
    writer.add_array("tokenizer.ggml.scores", [1.0] * tokens)
    for layer, kind in types.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        tensor = layer if layer.endswith(("bias", "weight")) else f"{layer}.weight"
        writer.add_tensor(tensor.replace("__", "."), np.zeros((2, 512 // block * size), np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / name


def raw_gguf(
    folder: Path, tensors: list[tuple[bytes, tuple[int, ...], int, int]], *, data: int = 0, fields: bytes = b"",
    field_count: int = 0, tensor_count: int | None = None, version: int = 3, order: str = "<",
) -> Path:  # fmt: skip
    """A header of our own making: tensors with name, sizes, type and offset."""
    path = folder / "raw.gguf"
    count = len(tensors) if tensor_count is None else tensor_count
    content = b"GGUF" + struct.pack(f"{order}IQQ", version, count, field_count) + fields
    for name, sizes, kind, offset in tensors:
        content += struct.pack(f"{order}Q", len(name)) + name + struct.pack(f"{order}I", len(sizes))
        content += b"".join(struct.pack(f"{order}Q", size) for size in sizes) + struct.pack(f"{order}IQ", kind, offset)
    content += bytes(-len(content) % 32)
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + data)
    return path


def keras(folder: Path, layers: Mapping[str, list[tuple[int, ...]]], name: str = "model.weights.h5") -> Path:
    """The layout of Keras 3: ``layers/dense/vars/0``."""
    with h5py.File(folder / name, "w") as file:
        for layer, shapes in layers.items():
            group = file.create_group(f"{layer}/vars")
            for number, shape in enumerate(shapes):
                group.create_dataset(str(number), data=np.zeros(shape, "f4"))
    return folder / name


def network() -> torch.nn.Sequential:
    """784-16-16-10 in PyTorch."""
    layers = [
        torch.nn.Linear(784, 16),
        torch.nn.Sigmoid(),
        torch.nn.Linear(16, 16),
        torch.nn.Sigmoid(),
        torch.nn.Linear(16, 10),
    ]
    return torch.nn.Sequential(*layers)


def count(path: Path) -> Any:
    return nncost.count(str(path))


def refused(path: Path, message: str, kind: type[NncostError] = SourceError) -> None:
    with pytest.raises(kind, match=message) as caught:
        nncost.count(str(path))
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
