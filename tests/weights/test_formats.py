"""Each format, on files that its own package wrote."""

from __future__ import annotations

from pathlib import Path

import gguf
import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file as save_torch

from tests.weights.writers import NETWORK, count, gguf_file, keras, network, safetensors

TEXTBOOK = (13_002, 12_960, 42, 0, 0, 52_008)


def figures(path: Path) -> tuple[int, ...]:
    p = count(path).parameters
    return p.total, p.weights, p.biases, p.other, p.buffers, p.bytes


# ------------------------------------------------------------------- safetensors
def test_safetensors(tmp_path: Path) -> None:
    path = safetensors(tmp_path)
    assert figures(path) == TEXTBOOK
    report = count(path)
    assert [row.path for row in report.rows] == ["layers.0", "layers.2", "layers.10"]
    assert [(row.weights, row.biases) for row in report.rows] == [(12_544, 16), (256, 16), (160, 10)]


@pytest.mark.parametrize(
    ("dtype", "name", "width"),
    [
        (torch.float64, "float64", 8), (torch.float16, "float16", 2), (torch.bfloat16, "bfloat16", 2),
        (torch.float8_e4m3fn, "float8_e4m3", 1), (torch.float8_e5m2, "float8_e5m2", 1), (torch.int8, "int8", 1),
        (torch.uint8, "uint8", 1), (torch.int32, "int32", 4), (torch.int16, "int16", 2), (torch.complex64, "complex64", 8),
    ],
)  # fmt: skip
def test_types_of_safetensors(dtype: torch.dtype, name: str, width: int, tmp_path: Path) -> None:
    save_torch({"a.weight": torch.zeros(3, 5, dtype=dtype)}, tmp_path / "a.safetensors")
    report = count(tmp_path / "a.safetensors")
    assert report.storage.dtypes.keys() == {name}
    assert (report.parameters.total, report.parameters.bytes) == (15, 15 * width)
    assert report.storage.bits_per_weight == 8 * width


def test_integer_weights_are_counted_as_stored(tmp_path: Path) -> None:
    path = safetensors(
        tmp_path,
        {"q.qweight": np.zeros((4, 8), "i4"), "q.scales": np.zeros((1, 8), "f2"), "q.codes": np.zeros((2, 2), "i2")},
    )
    assert figures(path) == (44, 36, 0, 8, 0, 4 * 32 + 16 + 8)
    assert "2 weight tensors are stored as int16, int32 and counted as stored" in count(path).notes[-1]


# ------------------------------------------------------------------- GGUF
KINDS = [kind for kind in gguf.GGMLQuantizationType if kind.name != "I64"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_quantized_type(kind: gguf.GGMLQuantizationType, tmp_path: Path) -> None:
    path = gguf_file(tmp_path, blk__0__attn_q=kind)
    theirs = gguf.GGUFReader(path).tensors[0]
    report = count(path)
    assert (report.parameters.total, report.parameters.bytes) == (theirs.n_elements, theirs.n_bytes)
    assert report.storage.bits_per_weight * theirs.n_elements == 8 * theirs.n_bytes
    assert report.rows[0].path == "blk.0.attn_q"


def test_mixed_gguf(tmp_path: Path) -> None:
    kinds = gguf.GGMLQuantizationType
    path = gguf_file(
        tmp_path,
        token_embd=kinds.Q4_K,
        blk__0__ffn_up=kinds.Q8_0,
        blk__0__ffn_up__bias=kinds.F16,
        output_norm=kinds.F32,
    )
    report = count(path)
    assert {name: (t.tensors, t.parameters, t.bytes) for name, t in report.storage.dtypes.items()} == {
        "Q4_K": (1, 1024, 576), "Q8_0": (1, 1024, 1088), "float16": (1, 1024, 2048), "float32": (1, 1024, 4096),
    }  # fmt: skip
    assert (report.parameters.weights, report.parameters.biases) == (3072, 1024)
    assert report.to_dict()["storage"]["bits_per_weight"] == 8 * (576 + 1088 + 2048 + 4096) / 4096 == 15.25


def test_gguf_in_parts(tmp_path: Path) -> None:
    for number, layer in enumerate(("a", "b", "c"), start=1):
        gguf_file(tmp_path, f"net-{number:05}-of-00003.gguf", **{layer: gguf.GGMLQuantizationType.Q4_0})
    report = count(tmp_path / "net-00002-of-00003.gguf")
    assert [row.path for row in report.rows] == ["a", "b", "c"]
    assert any("all 3 parts" in note for note in report.notes)


# ------------------------------------------------------------------- NumPy
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save: object, tmp_path: Path) -> None:
    save(tmp_path / "net.npz", **NETWORK)  # type: ignore[operator]
    assert figures(tmp_path / "net.npz") == TEXTBOOK


def test_npz_with_names_as_paths(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        **{"params/Dense_0/kernel": np.zeros((3, 4)), "params/Dense_0/bias": np.zeros(4), "words": np.array(["a"])},
    )
    report = count(tmp_path / "a.npz")
    assert [row.path for row in report.rows] == ["params.Dense_0", "words"]
    assert (report.parameters.total, report.parameters.biases, report.parameters.buffers) == (16, 4, 1)


# ------------------------------------------------------------------- Keras
LAYERS = {
    "layers/conv2d": [(3, 3, 3, 8), (8,)], "layers/batch_normalization": [(8,)] * 4, "layers/dense": [(8, 10), (10,)],
    "layers/layer_normalization": [(10,), (10,)], "layers/embedding": [(100, 10)], "layers/gru/cell": [(10, 12), (4, 12), (2, 12)],
    "layers/lstm/cell": [(10, 16), (4, 16), (16,)], "layers/functional/layers/multi_head_attention/query_dense": [(10, 2, 5), (2, 5)],
    "layers/dropout/seed_generator": [(2,)], "layers/position_embedding": [(7, 10)],
}  # fmt: skip


def test_keras(tmp_path: Path) -> None:
    report = count(keras(tmp_path, LAYERS))
    rows = {row.path: (row.weights, row.biases, row.other) for row in report.rows}
    assert rows == {
        "conv2d": (216, 8, 0), "batch_normalization": (8, 8, 0), "dense": (80, 10, 0), "layer_normalization": (10, 10, 0),
        "embedding": (1000, 0, 0), "gru.cell": (168, 24, 0), "lstm.cell": (224, 16, 0),
        "functional.multi_head_attention.query_dense": (100, 10, 0), "dropout.seed_generator": (0, 0, 0),
        "position_embedding": (0, 0, 70),
    }  # fmt: skip
    assert report.parameters.buffers == 16 + 2


def test_keras_leaves_out_the_optimizer(tmp_path: Path) -> None:
    report = count(keras(tmp_path, {"layers/dense": [(8, 10), (10,)], "optimizer": [(8, 10), (10,)]}))
    assert report.parameters.total == 90
    assert any("2 tensors of the optimizer" in note for note in report.notes)


def test_keras_2(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w") as file:
        for name in ("kernel", "bias"):
            file["model_weights/dense/dense/" + name + ":0"] = np.zeros((8, 10) if name == "kernel" else 10, "f4")
        file.create_dataset(
            "model_weights/bn/bn/moving_mean:0", data=np.zeros((64, 64)), chunks=(10, 10), compression="gzip"
        )
    report = count(tmp_path / "old.h5")
    assert [(row.path, row.weights, row.biases) for row in report.rows] == [("bn", 0, 0), ("dense", 80, 10)]
    assert report.parameters.buffers == 4096


# ------------------------------------------------------------------- PyTorch
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_pytorch(new: bool, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=new)
    assert figures(tmp_path / "net.pt") == TEXTBOOK
    assert [row.path for row in count(tmp_path / "net.pt").rows] == ["0", "2", "4"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol: int, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "net.bin", pickle_protocol=protocol)
    assert figures(tmp_path / "net.bin") == TEXTBOOK


def test_tied_storage_counts_once(tmp_path: Path) -> None:
    table = torch.zeros(100, 8)
    torch.save({"embed.weight": table, "head.weight": table, "head.bias": torch.zeros(100)}, tmp_path / "net.pth")
    report = count(tmp_path / "net.pth")
    assert (report.parameters.total, report.storage.bytes) == (900, 3600)
    assert any("head.weight is embed.weight" in note for note in report.notes)


def test_views(tmp_path: Path) -> None:
    """Halves of one storage are two tensors; an expanded one has what is stored."""
    both = torch.zeros(10, 8)
    torch.save(
        {"a.weight": both[:5], "b.weight": both[5:], "c.weight": torch.zeros(1, 8).expand(1000, 8)}, tmp_path / "net.pt"
    )
    assert count(tmp_path / "net.pt").parameters.total == 40 + 40 + 8


def test_kinds_of_tensors(tmp_path: Path) -> None:
    tensors = {
        "p.weight": torch.nn.Parameter(torch.zeros(3, 2)), "f8.weight": torch.zeros(2, 2, dtype=torch.float8_e4m3fn),
        "bf.weight": torch.zeros(2, 2, dtype=torch.bfloat16), "u.weight": torch.zeros(2, 2, dtype=torch.uint16),
        "s.weight": torch.eye(3).to_sparse(), "scalar.weight": torch.tensor(1.0), "empty.weight": torch.zeros(0, 4),
        "steps": 3, "rate": 0.1, "names": ["a", ("b", None)], "shape": torch.Size([2]), "device": torch.device("cpu"),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "net.pt")
    storage = count(tmp_path / "net.pt").storage
    assert {t.name: (t.dtype, t.elements, t.bytes) for t in storage.tensors} == {
        "p.weight": ("float32", 6, 24), "f8.weight": ("float8_e4m3fn", 4, 4), "bf.weight": ("bfloat16", 4, 8),
        "u.weight": ("uint16", 4, 8), "s.weight.values": ("float32", 3, 12), "s.weight.indices_0": ("int64", 6, 48),
        "scalar.weight": ("float32", 1, 4), "empty.weight": ("float32", 0, 0),
    }  # fmt: skip


def test_training_checkpoint(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(1, 784)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "last.ckpt")
    assert figures(tmp_path / "last.ckpt") == TEXTBOOK
    assert any("left out: optimizer" in note for note in count(tmp_path / "last.ckpt").notes)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.Transformer(16, 2, 1, 1, 32, batch_first=True),
        torch.nn.LSTM(8, 8, 2, bidirectional=True),
        torch.nn.GRU(8, 8, bias=False),
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.PReLU(4)),
        torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 3)),
        torch.nn.Embedding(10, 4),
    ],
    ids=lambda module: type(module).__name__,
)
def test_totals_of_modules(module: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(module.state_dict(), tmp_path / "net.pt")
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    biases = sum(size for name, size in sizes.items() if "bias" in name)
    assert figures(tmp_path / "net.pt") == (
        sum(sizes.values()),
        sum(sizes.values()) - biases,
        biases,
        0,
        0,
        4 * sum(sizes.values()),
    )


def test_batch_norm(tmp_path: Path) -> None:
    torch.save(torch.nn.BatchNorm2d(8).state_dict(), tmp_path / "net.pt")
    assert figures(tmp_path / "net.pt") == (16, 8, 8, 0, 17, 64)
