"""Rates of this machine: matrix products and convolutions by size, streams by working set, first touches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from nncost.timing.devices.profile import Rate
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

_SQUARES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_SKINNY = ((1, 512, 512), (8, 784, 128), (32, 784, 512), (64, 1024, 1024), (128, 4096, 1024))
_CONVOLUTIONS = (
    (1, 3, 16, 32, 3), (1, 16, 16, 16, 3), (4, 32, 32, 32, 3), (8, 64, 64, 28, 3), (8, 128, 128, 28, 1), (8, 256, 256, 14, 3), (16, 64, 64, 56, 3),
)  # fmt: skip
"""Batch, channels in, channels out, height and width, kernel."""
_WORKING_SETS = tuple(2**power for power in range(14, 29, 2))
_LEAST_SECONDS = 0.02
_REPEATS = 5


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call: the best of some rounds, each long enough for the clock, and their spread.

    What else runs on the machine only ever makes a round longer.
    """
    run()
    start = time.perf_counter()
    run()
    calls = max(1, int(_LEAST_SECONDS / max(time.perf_counter() - start, 1e-9)))
    rounds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        rounds.append((time.perf_counter() - start) / calls)
    return min(rounds), (statistics.median(rounds) - min(rounds)) / min(rounds)


def products() -> list[Rate]:
    """Flops per second of matrix products by their flops."""
    rates = []
    for m, k, n in (*((size, size, size) for size in _SQUARES), *_SKINNY):
        left, right = torch.randn(m, k), torch.randn(k, n)
        seconds, spread = timed(partial(torch.matmul, left, right))
        flops = FLOPS_PER_PRODUCT * m * k * n
        rates.append(Rate(flops, flops / seconds, spread))
    return sorted(rates, key=lambda rate: rate.size)


def convolutions() -> list[Rate]:
    """Flops per second of convolutions by their flops."""
    rates = []
    for batch, ins, outs, size, kernel in _CONVOLUTIONS:
        x, weight = torch.randn(batch, ins, size, size), torch.randn(outs, ins, kernel, kernel)
        seconds, spread = timed(partial(functional.conv2d, x, weight, padding=kernel // 2))
        flops = FLOPS_PER_PRODUCT * batch * outs * size * size * ins * kernel * kernel
        rates.append(Rate(flops, flops / seconds, spread))
    return sorted(rates, key=lambda rate: rate.size)


def bandwidths() -> list[Rate]:
    """Bytes read and written per second by working set: one tensor added to in place."""
    rates = []
    for bytes_ in _WORKING_SETS:
        memory = torch.zeros(bytes_ // 4)
        seconds, spread = timed(partial(memory.add_, 1.0))
        rates.append(Rate(bytes_, 2 * bytes_ / seconds, spread))
    return rates


def cold_factor() -> float:
    """How much slower a product is when its operands come from main memory."""
    from nncost.timing.replay.cache_distance import FURTHEST
    from nncost.timing.replay.timing import CacheFlusher

    left, right = torch.randn(_SQUARES[5], _SQUARES[5]), torch.randn(_SQUARES[5], _SQUARES[5])
    warm, _ = timed(lambda: left @ right)
    flusher, cold = CacheFlusher(), []
    for _ in range(_REPEATS):
        flusher.flush(FURTHEST)
        flusher.run_others()
        start = time.perf_counter()
        left @ right
        cold.append(time.perf_counter() - start)
    return max(1.0, statistics.median(cold) / warm)
