"""Headers alone: a terabyte is counted in a moment, in little memory, without importing a framework."""

from __future__ import annotations

import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from nncost.errors import MissingExtraError
from tests.weights.test_bad_files import GOOD
from tests.weights.writers import count, gguf_file, raw_gguf, raw_safetensors, refused

TERABYTE = 2**40
MOST_READ = 30_000_000
"""Bytes: headers alone, of networks with many thousand tensors."""
KILOBYTES = 300_000


def bytes_read() -> int:
    """What this process has read from files so far, as Linux counts it; 0 on other systems."""
    counters = Path("/proc/self/io")
    return int(counters.read_text().split()[1]) if counters.exists() else 0


def quickly(path: Path) -> object:
    count(path)
    memory, before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, bytes_read()
    report = count(path)
    assert bytes_read() - before < MOST_READ
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < KILOBYTES
    return report.parameters.total, report.parameters.bytes


def test_a_terabyte_of_safetensors(tmp_path: Path) -> None:
    tensors = {
        f"model.layers.{n}.mlp.weight": {
            "dtype": "BF16",
            "shape": [2**13, 2**16],
            "data_offsets": [n * 2**30, (n + 1) * 2**30],
        }
        for n in range(2**10)
    }
    assert quickly(raw_safetensors(tmp_path, tensors, TERABYTE)) == (2**39, TERABYTE)


def test_a_terabyte_of_gguf(tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType.Q4_K
    block = (2**13, 2**17)
    size = 2**30 // 256 * 144
    tensors = [(b"blk.%d.ffn_up.weight" % n, block, int(kind), n * size) for n in range(2**11)]
    assert quickly(raw_gguf(tmp_path, tensors, data=2**11 * size)) == (2**41, 2**11 * size)


def test_a_long_vocabulary(tmp_path: Path) -> None:
    assert quickly(gguf_file(tmp_path, tokens=300_000, a=gguf.GGMLQuantizationType.F16)) == (1024, 2048)


def test_half_a_terabyte_of_pytorch(tmp_path: Path) -> None:
    """A zip archive as ``torch.save`` writes it, with a hole for each storage."""
    path = tmp_path / "net.pt"
    size = 2**33
    with torch.device("meta"):
        tensors = {f"layers.{n}.weight": torch.zeros(2**16, 2**16, dtype=torch.float16) for n in range(64)}
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", _described(list(tensors), size // 2))
        for number in range(64):
            member = zipfile.ZipInfo(f"net/data/{number}")
            member.file_size = member.compress_size = size
            member.CRC = 0
            member.header_offset = file.tell()
            file.write(member.FileHeader(zip64=True))
            file.seek(size, 1)
            archive.filelist.append(member)
        archive.start_dir = file.tell()
        archive._didModify = True
    assert quickly(path) == (64 * 2**32, 64 * size)


def _described(names: list[str], elements: int) -> bytes:
    """The pickle of a state dict of matrices, each in a storage of its own."""
    content = b"\x80\x02}("
    for number, name in enumerate(names):
        content += b"X" + len(name).to_bytes(4, "little") + name.encode() + b"ctorch._utils\n_rebuild_tensor_v2\n("
        content += b"(Vstorage\nctorch\nHalfStorage\nV%d\nVcpu\nL%dL\ntQ" % (number, elements)
        content += b"K\x00(J\x00\x00\x01\x00J\x00\x00\x01\x00t(J\x00\x00\x01\x00K\x01t\x89}tR"
    return content + b"u."


def test_an_endless_header_of_zeros(tmp_path: Path) -> None:
    """A hole of a terabyte reads as zeros: as empty names, lists and tensors without end."""
    for ending in ("safetensors", "gguf", "npz", "npy", "h5", "keras", "pt", "bin", "tflite", "msgpack", "index"):
        path = tmp_path / f"a.{ending}"
        for head in (
            b"",
            b"GGUF\x03\0\0\0" + b"\xff" * 7 + b"\x0f" + b"\xff" * 7 + b"\x0f",
            b"\x80\x02",
            b"PK\x03\x04",
            b"\x89HDF\r\n\x1a\n",
            b"\x93NUMPY\x01\x00",
            b"\xff\x00\x00\x00TFL3",
            b"\xdf\xff\xff\xff\xff",
        ):
            with path.open("wb") as file:
                file.write(head)
                file.truncate(TERABYTE)
            before = bytes_read()
            refused(path, r"a\.")
            assert bytes_read() - before < 10 * MOST_READ


@pytest.mark.parametrize("form", GOOD)
def test_nothing_else_is_imported(form: str, tmp_path: Path) -> None:
    path = GOOD[form](tmp_path)
    needed = {
        "safetensors": "safetensors",
        "quantized": "safetensors",
        "gguf": "gguf",
        "h5": "h5py",
        "keras": "h5py",
    }.get(form)
    code = (
        f"import sys, nncost; nncost.count({str(path)!r}); "
        "print(*sorted({'torch', 'onnx', 'safetensors', 'gguf', 'h5py', 'sympy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ([needed] if needed else [])


@pytest.mark.parametrize(
    ("form", "package"), [("safetensors", "safetensors"), ("gguf", "gguf"), ("h5", "h5py"), ("keras", "h5py")]
)
def test_without_the_package(form: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = GOOD[form](tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    for module in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, module, None)
    refused(path, r"needs the package .*\n.*nncost\[weights\]", MissingExtraError)


def test_data_is_not_touched(tmp_path: Path) -> None:
    """The numbers may be anything."""
    path = tmp_path / "a.npz"
    np.savez(path, a=np.full((3, 4), np.nan))
    assert quickly(path) == (12, 96)
