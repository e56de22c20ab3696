"""Logs of oneDNN and MKL by hand, and the libraries' own word on what was counted."""

from __future__ import annotations

import os
import platform

import pytest
import torch
from torch import nn

import nncost
from nncost.timing.measure.library_logs import executed, read

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx512_core,forward_training,src:f32:a:blocked:abcd::f0 "
    "wei:f32:ap:blocked:Acdb16a::f0 bia:f32:a:blocked:a::f0 dst:f32:ap:blocked:aBcd16b::f0,attr-scratchpad:user,"
    "alg:convolution_direct,{problem},7.02808"
)


@pytest.mark.parametrize(
    ("line", "macs"),
    [
        ("MKL_VERBOSE SGEMM(T,N,10,4,1568,0x7ffc,0x56,1568) 114.03us CNR:OFF Dyn:1 FastMM:1 TID:0  NThr:2", 10 * 4 * 1568),
        ("MKL_VERBOSE DGEMM(N,N,3,5,7,0x7ffc,0x56,1568) 1.0us", 3 * 5 * 7),
        (CONVOLUTION.format(problem="mb4_ic3oc8_ih16oh14kh3sh1dh0ph0_iw16ow14kw3sw1dw0pw0"), 4 * 8 * 14 * 14 * 3 * 9),
        (CONVOLUTION.format(problem="g8mb2_ic8oc8_ih6oh4kh3sh1dh0ph0_iw6ow4kw3sw1dw0pw0"), 2 * 8 * 16 * 1 * 9),
        ("onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src,attr,,8x3x3x3,0.004", 0),
        ("anything else", 0),
    ],
)  # fmt: skip
def test_lines(line: str, macs: int) -> None:
    assert read(line).macs == macs


def test_a_batched_product_says_no_sizes() -> None:
    found = read("MKL_VERBOSE SGEMM_BATCH(T,N,0x7ffc295fe8,0x7ffc7f295fe4) 6.62ms")
    assert found.unreadable == ("SGEMM_BATCH",)
    assert (found.macs, found.calls) == (0, 1)


NETWORKS = {
    "dense": (lambda: nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 16)), (32, 64)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(16, 32, 3, padding=0), nn.ReLU(), nn.Conv2d(32, 32, 3, groups=4), nn.Flatten()),
        (4, 16, 12, 12),
    ),
}  # fmt: skip


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkl.is_available(),
    reason="MKL runs on x86 processors",
)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_libraries_run_what_was_counted(name: str) -> None:
    make, shape = NETWORKS[name]
    module, x = make(), torch.randn(shape)
    found = executed(lambda: module(x).sum().backward())
    assert found is not None
    assert found.macs == nncost.count(module, shape, loss="sum").step.macs
    assert not found.unreadable


def test_the_standard_output_is_led_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"):
        executed(_fail)
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def _fail() -> None:
    os.write(1, b"inside\n")
    raise ValueError("inside")
