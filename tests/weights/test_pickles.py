"""No pickle is ever executed: what asks for code is refused by its name."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from tests.weights.writers import count, network, refused


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return open, (str(self.target), "w")


class Shell:
    def __reduce__(self) -> object:
        return os.system, ("touch /tmp/nncost-was-here",)


def _zip(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", content)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_malicious_pickles(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    content = pickle.dumps({"a.weight": Malicious(target)}, protocol=protocol)
    refused(_zip(tmp_path / "a.pt", content), r"io\.open|open.*Nothing was run|COPY_REG|copy")
    (tmp_path / "b.bin").write_bytes(content)
    refused(tmp_path / "b.bin", "Nothing was run|not a PyTorch")
    refused(_zip(tmp_path / "c.ckpt", pickle.dumps(Shell(), protocol=protocol)), "Nothing was run")
    for new in (True, False):
        torch.save({"a": Malicious(target)}, tmp_path / "d.pth", _use_new_zipfile_serialization=new)
        refused(tmp_path / "d.pth", "Nothing was run")
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", b"(S'true'\nios\nsystem\n.",
        b"c__builtin__\neval\n(S'1'\ntR.", b"ctorch\nhub.load\n(tR.", b"ctorch.storage\n_load_from_bytes\n(tR.", b"\x82\x01.",
        b"ccollections\nOrderedDict.fromkeys\n(tR.", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.x\n)R.",
    ],
)  # fmt: skip
def test_ways_to_call(content: bytes, tmp_path: Path) -> None:
    refused(_zip(tmp_path / "a.pt", content), "is refused: it asks to run .* Nothing was run")


@pytest.mark.parametrize(
    "content",
    [
        b"", b".", b"\x80", b"\x80\x02", b"N", b"R.", b"(t", b"]a.", b"(u.", b"}(NN", b"h\x01.", b"\x80\x02}q\x00(X\xff\xff\xff\x7fa.",
        b"\x8e" + (2**63).to_bytes(8, "little") + b".", b"\x8b\xff\xff\xff\x7f.", b"I" + b"9" * 5_000_000 + b"\n.", b"Q.", b"NQ.", b"(NNNNNtQ.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.", b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.", b"ctorch._tensor\n_rebuild_from_type_v2\n(NN)NtR.",
        b"]" * 6_000_000 + b".", b"ccollections\nOrderedDict\n(]K\x01atR.", b"r\xff\xff\xff\xff.", b"Nr\xff\xff\xff\xff.", b"]0.", b"0.", b"1.", b"2.",
        b"\x80\x04\x95" + b"\xff" * 8 + b"N.", b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI-5\ntQ.", b"V\\ud800\n.", b"F1e999\n.",
    ],
    ids=range(33),
)  # fmt: skip
def test_damaged_pickles(content: bytes, tmp_path: Path) -> None:
    refused(_zip(tmp_path / "a.pt", content), "not a PyTorch file|no tensors|refused")


def test_bombs(tmp_path: Path) -> None:
    """Lists of lists of lists, each twice in the next: a few bytes that stand for 2¹⁰⁰ values; and a list in itself."""
    bomb: list[object] = []
    for _ in range(20):
        bomb = [bomb, bomb]
    refused(_zip(tmp_path / "a.pt", pickle.dumps(bomb, protocol=2)), "no tensors")
    for _ in range(80):
        bomb = [bomb, bomb]
    refused(_zip(tmp_path / "b.pt", pickle.dumps(bomb, protocol=2)), "nested more than")
    bomb.append(bomb)
    cycle: dict[str, object] = {}
    cycle["self"] = cycle
    refused(_zip(tmp_path / "c.pt", pickle.dumps(cycle, protocol=2)), "no tensors")


def test_whole_modules_and_programs(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "a.pt")
    refused(tmp_path / "a.pt", r"torch\.nn\.modules\.container\.Sequential.*Nothing was run(.|\n)*state_dict")


def test_lying_views(tmp_path: Path) -> None:
    """The storage of 8 numbers, seen as a billion."""
    path = tmp_path / "a.pt"
    torch.save({"a.weight": torch.zeros(8)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    lying = {
        n: c.replace(b"K\x08\x85q\x08", b"J\xff\xff\xff\x7f\x85q\x08") if n.endswith("data.pkl") else c
        for n, c in members.items()
    }
    assert lying != members
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in lying.items():
            archive.writestr(name, content)
    refused(path, "reaches beyond its storage|no whole number|should have")


def test_nothing_is_run_by_a_good_file_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "a.pt")

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    assert count(tmp_path / "a.pt").parameters.total == 13_002
