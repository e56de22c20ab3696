"""What the libraries below PyTorch really multiplied: oneDNN's and MKL's own logs of a step, read back.

Their logs go to the process's standard output, so that it is led to a file meanwhile. A call that says
no sizes (MKL's batched products) makes the reading incomplete; a matrix product of PyTorch's own, which no
library logs, is not seen at all.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch

from nncost.records import record

_GEMM = re.compile(r"MKL_VERBOSE ([SD])GEMM\([A-Z],[A-Z],(\d+),(\d+),(\d+),")
_UNREADABLE = re.compile(r"MKL_VERBOSE (\w*GEMM\w*)\(")
_PRIMITIVE = re.compile(r"^onednn_verbose,(?:v\d+,)?primitive,exec,cpu,(\w+),[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,([^,]*),")
_SIZES = re.compile(r"([a-z]+)(\d+)")
_CONTRACTIONS = ("convolution", "deconvolution", "matmul", "inner_product")
_ONE = dict.fromkeys(("g", "od", "oh", "ow", "kd", "kh", "kw"), 1)


@record
class Executed:
    """Products executed inside contractions, how many calls there were, and those that say no sizes."""

    macs: int
    calls: int
    unreadable: Sequence[str]


def executed(run: Callable[[], Any]) -> Executed | None:
    """What the libraries log while ``run`` runs; None where they keep no log."""
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return None
    with _output_of_process() as text:
        mkl, mkldnn = torch.backends.mkl, torch.backends.mkldnn
        with mkl.verbose(mkl.VERBOSE_ON), mkldnn.verbose(mkldnn.VERBOSE_ON):
            run()
    return read(text[0])


def read(log: str) -> Executed:
    """The products in a log of oneDNN and MKL."""
    macs, calls, unreadable = 0, 0, []
    for line in log.splitlines():
        found = _macs(line)
        if found is None:
            continue
        calls += 1
        if isinstance(found, str):
            unreadable.append(found)
        else:
            macs += found
    return Executed(macs, calls, tuple(dict.fromkeys(unreadable)))


def _macs(line: str) -> int | str | None:
    """The products of a line, the name of what cannot be read, or None for a line of something else."""
    gemm = _GEMM.match(line)
    if gemm:
        return prod(int(size) for size in gemm.groups()[1:])
    other = _UNREADABLE.match(line)
    if other:
        return other[1]
    primitive = _PRIMITIVE.match(line)
    if primitive is None or primitive[1] not in _CONTRACTIONS:
        return None
    return _convolution(primitive[2]) if "conv" in primitive[1] else _product(primitive[1], primitive[2])


def _convolution(problem: str) -> int | str:
    """``mb4_ic3oc8_ih16oh14kh3…``: batch, channels, sizes; g groups."""
    sizes = {**_ONE, **{name: int(value) for name, value in _SIZES.findall(problem)}}
    try:
        outputs = sizes["mb"] * sizes["oc"] * sizes["od"] * sizes["oh"] * sizes["ow"]
        return outputs * sizes["ic"] // sizes["g"] * sizes["kd"] * sizes["kh"] * sizes["kw"]
    except KeyError:
        return "convolution"


def _product(name: str, problem: str) -> int | str:
    """``8x16:16x4``, or ``mb8ic16oc4`` of an inner product."""
    if ":" in problem:
        left, right = (part.split("x") for part in problem.split(":")[:2])
        if all(size.isdigit() for size in (*left, *right)):
            return prod(map(int, left)) * int(right[-1])
    sizes = {key: int(value) for key, value in _SIZES.findall(problem)}
    return prod(sizes[key] for key in ("mb", "ic", "oc")) if {"mb", "ic", "oc"} <= sizes.keys() else name


@contextmanager
def _output_of_process() -> Iterator[list[str]]:
    """What the process writes to its standard output meanwhile, as text; Python's own is kept apart."""
    text = [""]
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        try:
            yield text
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            text[0] = file.read().decode(errors="replace")
