"""Files of a training: the model is counted, the optimizer's state is not, and what was left out is named."""

from __future__ import annotations

import argparse
import collections
import enum
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.weights.writers import count, described, refused

Spellings = dict[str, Any]


def _trained() -> tuple[Spellings, Spellings]:
    """The states of a layer 20 → 10 and of its optimizer after a step: 210 parameters; twice as many moments, and two steps."""
    net = torch.nn.Linear(20, 10)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.zeros(2, 20)).sum().backward()
    optimizer.step()
    return net.state_dict(), optimizer.state_dict()


STATE_BYTES = 4 * (2 * 210 + 2)
MODEL, STATE = _trained()
FILES: dict[str, Spellings] = {
    "tutorial": {"epoch": 3, "model_state_dict": MODEL, "optimizer_state_dict": STATE, "loss": 0.1},
    "short": {"epoch": 3, "model_state": MODEL, "optimizer_state": STATE},
    "weights": {"weights": MODEL, "optim": STATE},
    "average": {"state_dict": MODEL, "ema_state_dict": MODEL, "optimizer": STATE},
    "an average under another name": {"generator": MODEL, "ema_generator": MODEL, "opt_g": STATE},
    "lightning": {
        "state_dict": MODEL,
        "hyper_parameters": {"lr": 0.1},
        "optimizer_states": [STATE],
        "lr_schedulers": [{"last": 1}],
    },
    "fairseq": {"args": argparse.Namespace(lr=0.1), "model": MODEL, "last_optimizer_state": STATE},
    "composer": {"state": {"model": MODEL, "optimizers": {"AdamW": STATE}}, "rng": [{"python": torch.zeros(9)}]},
    "a name of its own": {"my_network": MODEL, "adam": STATE},
    "beside the tensors": {**MODEL, "optimizer": STATE},
    "several": {"model": MODEL, "opt_a": STATE, "opt_b": STATE, "scheduler": {"step": 3}},
}


@pytest.mark.parametrize("form", FILES)
def test_spellings(form: str, tmp_path: Path) -> None:
    torch.save(FILES[form], tmp_path / "last.pt")
    report = count(tmp_path / "last.pt")
    p = report.parameters
    assert (p.total, p.weights, p.biases, p.bytes) == (210, 200, 10, 840)
    assert any(f"({STATE_BYTES:,} bytes)" in note and "eft out: " in note for note in report.notes)


def test_two_networks_are_both_counted(tmp_path: Path) -> None:
    other = torch.nn.Linear(4, 3).state_dict()
    torch.save({"generator": MODEL, "discriminator": other, "opt_g": STATE}, tmp_path / "gan.pt")
    report = count(tmp_path / "gan.pt")
    assert report.parameters.total == 210 + 15
    assert [row.path for row in report.rows] == ["generator", "discriminator"]


@pytest.mark.parametrize("value", [STATE, [STATE, STATE], {"optimizer": STATE, "step": 3}, {"optimizer_state_dict": {"state": STATE["state"]}}])  # fmt: skip
def test_an_optimizer_alone(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "optimizer.pt")
    report = count(tmp_path / "optimizer.pt")
    assert report.parameters.total == report.parameters.bytes == report.parameters.buffers == 0
    assert report.storage.bytes == STATE_BYTES
    assert "an optimizer's state, not a model" in report.notes[1]
    data = report.to_dict()["storage"]
    assert data["optimizer"]["bytes"] == STATE_BYTES
    assert "bits_per_weight" not in data
    assert "optimizer" in report.table().render()


def test_an_optimizer_in_another_format(tmp_path: Path) -> None:
    path = described(tmp_path, {"a.exp_avg": ("F32", (3, 4)), "a.exp_avg_sq": ("F32", (3, 4)), "a.step": ("F32", ())})
    assert (count(path).parameters.total, count(path).storage.bytes) == (0, 100)
    np.savez(tmp_path / "a.npz", **{"params/w": np.zeros((3, 4), "f4"), "opt_state/mu/w": np.zeros((3, 4), "f4")})
    report = count(tmp_path / "a.npz")
    assert report.parameters.total == 12
    assert any("1 tensor of the optimizer (48 bytes)" in note for note in report.notes)


def test_a_model_whose_name_looks_like_an_optimizer(tmp_path: Path) -> None:
    torch.save({"opt_model.decoder.weight": torch.zeros(3, 4), "optical.weight": torch.zeros(2)}, tmp_path / "a.pt")
    assert count(tmp_path / "a.pt").parameters.total == 14


class Colour(enum.Enum):
    RED = 1


class Settings(dict[str, Any]):
    """As packages of configurations have them."""


BESIDE = {
    "Namespace": argparse.Namespace(lr=0.1, inner=argparse.Namespace(path=Path("/x"))), "SimpleNamespace": SimpleNamespace(a=1),
    "a class of settings": Settings(a=1), "a member of an enum": Colour.RED, "counter": collections.Counter("aab"),
    "random state": np.random.get_state(),  # noqa: NPY002
    "generator": np.random.default_rng(0), "deque": collections.deque([1, 2]),
    "type": torch.bfloat16, "number": np.float64(0.3),
}  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("what", BESIDE)
def test_settings_beside_the_weights(what: str, protocol: int, tmp_path: Path) -> None:
    torch.save({"model": MODEL, "what": BESIDE[what]}, tmp_path / "a.pt", pickle_protocol=protocol)
    assert count(tmp_path / "a.pt").parameters.total == 210


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_tensors_in_settings_are_not_lost(protocol: int, tmp_path: Path) -> None:
    torch.save(SimpleNamespace(net=MODEL, table=np.zeros((3, 4), "f4")), tmp_path / "a.pt", pickle_protocol=protocol)
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (222, 888)
    assert [tensor.name for tensor in report.storage.tensors] == ["net.weight", "net.bias", "table"]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols(protocol: int, new: bool, tmp_path: Path) -> None:
    torch.save(MODEL, tmp_path / "a.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    assert count(tmp_path / "a.pt").parameters.total == 210


def test_references_that_are_none(tmp_path: Path) -> None:
    torch.save(MODEL, tmp_path / "a.pt", pickle_protocol=0)
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"<class 'torch.FloatStorage'>", b"__import__('os')"))
    refused(tmp_path / "b.pt", "refers to something that is no storage")


def test_shapes_without_numbers(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.empty(100, 100, device="meta"), "a.bias": torch.zeros(3)}, tmp_path / "a.pt")
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (10_003, 12)
    assert any("1 tensor was on the device meta" in note for note in report.notes)


def test_scales_of_channels(tmp_path: Path) -> None:
    """A quantized tensor of PyTorch's own, with a scale and a zero point for each row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weight = torch.quantize_per_channel(torch.zeros(8, 4), torch.ones(8), torch.zeros(8), 0, torch.qint8)
        torch.save(
            {"a.weight": weight, "b.weight": torch.quantize_per_tensor(torch.zeros(3, 4), 0.1, 0, torch.qint8)},
            tmp_path / "a.pt",
        )
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (44, 44)
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        stored = sum(member.file_size for member in archive.infolist() if "/data/" in member.filename)
    assert report.storage.bytes == stored
    assert len(report.storage.quantization) == 2


def test_tensors_of_classes_of_their_own(tmp_path: Path) -> None:
    """As torchao saves them: a tensor of 4 × 8 of two tensors, of which the larger holds its numbers in halves of bytes."""
    content = b"\x80\x02}X\x08\0\0\0a.weightctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_wrapper_subclass\n"
    content += b"cother.package\nInt4Tensor\n(Nctorch\nbfloat16\nK\x04K\x08\x86t}("
    for name, kind, shape, key in ((b"qdata", b"Byte", (4, 4), b"0"), (b"scale", b"Float", (4, 1), b"1")):
        rows, columns = shape
        content += (
            b"X"
            + len(name).to_bytes(4, "little")
            + name
            + b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\n"
            + kind
            + b"Storage\nV"
            + key
        )
        content += (
            b"\nVcpu\nK"
            + bytes([rows * columns])
            + b"tQK\0K"
            + bytes([rows])
            + b"K"
            + bytes([columns])
            + b"\x86K"
            + bytes([columns])
            + b"K\x01\x86\x89}tR"
        )
    content += b"utRs."
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/data/0", bytes(16))
        archive.writestr("a/data/1", bytes(16))
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (32, 16)
    assert report.storage.quantization_bytes == 16
    assert report.storage.formats["other"].bits_per_weight == 4


def test_values_that_are_shared_too_often(tmp_path: Path) -> None:
    """A list of a million values under five hundred names takes a small file and no long time."""
    content = b"\x80\x02}q\0(" + b"K\0](" + b"N" * 1_000_000 + b"eq\x01"
    content += b"".join(b"M" + number.to_bytes(2, "little") + b"h\x01" for number in range(1, 500)) + b"u."
    named = (
        b"\x80\x02}q\0(Vx\n]("
        + b"N" * 1_000_000
        + b"eq\x01"
        + b"".join(b"Vn%d\nh\x01" % number for number in range(500))
        + b"u."
    )
    for pickle in (content, named):
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("a/data.pkl", pickle)
        refused(tmp_path / "a.pt", "no tensors|shared more than")


# ------------------------------------------------------------------- one storage, many views
TABLE = torch.zeros(10, 20)
VIEWS: dict[str, tuple[Spellings, int]] = {
    "the whole in four ways": ({"a": TABLE, "b": TABLE.t(), "c": TABLE[:5], "d": TABLE.expand(1, 10, 20)}, 200),
    "a part first": ({"c": TABLE[2:5], "a": TABLE}, 200),
    "halves that overlap": ({"a": TABLE[:6], "b": TABLE[4:]}, 200),
    "left and right": ({"a": TABLE[:, :10], "b": TABLE[:, 10:]}, 200),
    "left and most": ({"a": TABLE[:, :10], "b": TABLE[:, 5:]}, 200),
    "every second": ({"a": TABLE.view(-1)[::2], "b": TABLE.view(-1)[1::2]}, 200),
    "a column of the whole": ({"a": TABLE, "b": TABLE[:, 3]}, 200),
    "a column alone": ({"b": TABLE[:, 3]}, 10),
    "a repeated row": ({"a": torch.zeros(1, 20).expand(99, 20)}, 20),
}


@pytest.mark.parametrize("form", VIEWS)
def test_a_storage_is_counted_once(form: str, tmp_path: Path) -> None:
    views, elements = VIEWS[form]
    torch.save({f"{name}.weight": view for name, view in views.items()}, tmp_path / "a.pt")
    report = count(tmp_path / "a.pt")
    assert (report.parameters.total, report.parameters.bytes) == (elements, 4 * elements)


def test_large_views_with_gaps_are_bounded(tmp_path: Path) -> None:
    """Too many numbers to follow one by one: their sum, at most the storage, and a note."""
    table = torch.zeros(2048, 1024)
    torch.save({"a.weight": table[:, :600], "b.weight": table[:, 400:]}, tmp_path / "a.pt")
    report = count(tmp_path / "a.pt")
    assert report.parameters.total == 2048 * 1024
    assert any("with gaps" in note for note in report.notes)
