"""The instructions a processor executes for a dense layer, counted by Valgrind, against the contraction rule.

Valgrind's lackey counts every operation on the 128-bit registers that hold doubles; what the C library
does there before ``main`` is the same each time, so differences between two sizes are the layer's own.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nncost import count

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="doubles live in other registers here"),
]

BASE = (10, 13, 14)
OTHERS = [(20, 13, 14), (10, 49, 14), (10, 13, 49), (33, 21, 17)]
"""Batch, inputs, outputs: all with two digits, so that reading the arguments costs the same."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dense") / "dense"
    source = Path(__file__).with_name("dense.c")
    # Without optimisation each product and each sum is one instruction, in the order written.
    subprocess.run(["gcc", "-O0", "-o", path, source], check=True, timeout=60)
    return path


def executed(program: Path, sizes: tuple[int, ...]) -> int:
    """Operations on floating-point registers during the whole program."""
    command = ["valgrind", "--tool=lackey", "--detailed-counts=yes", str(program), *map(str, sizes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    row = re.search(r"V128\s+[\d,]+\s+[\d,]+\s+([\d,]+)", done.stderr)
    assert row is not None, done.stderr
    return int(row[1].replace(",", ""))


def counted(sizes: tuple[int, ...]) -> int:
    batch, inputs, outputs = sizes
    report = count(f"{inputs}-{outputs}:none", batch=batch, loss="none")
    return int(report.forward.mul) + int(report.forward.add)


def test_dense_layer_instructions(program: Path) -> None:
    base_executed, base_counted = executed(program, BASE), counted(BASE)
    for sizes in OTHERS:
        assert executed(program, sizes) - base_executed == counted(sizes) - base_counted
