"""Rates of this machine: matrix products and convolutions by size, streams by working set, first touches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.nn import functional

from nncost.errors import OptionError
from nncost.records import record
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
_AGAIN, _PAUSE_SECONDS = 6, 0.5
"""How often doubtful rates are measured again, after a pause."""
_SCATTERS, _LONGER, _LOWER = 2.0, 4.0, 32.0
"""A rate is doubtful if the median of its times is three times the shortest; if it took so many times as long as more work;
or if it is so many times lower than that of less work: between cache and memory lay a factor of 24 (a shared server, 2026-12)."""


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


@record
class Trial:
    """Work whose rate is measured: its size, how much is done (operations or bytes), and what does it."""

    size: int
    work: int
    run: Callable[[], object]


def products() -> list[Rate]:
    """Flops per second of matrix products by their flops."""
    trials = []
    for m, k, n in (*((size, size, size) for size in _SQUARES), *_SKINNY):
        left, right = torch.randn(m, k), torch.randn(k, n)
        flops = FLOPS_PER_PRODUCT * m * k * n
        trials.append(Trial(flops, flops, partial(torch.matmul, left, right)))
    return rates_of("matrix products", trials)


def convolutions() -> list[Rate]:
    """Flops per second of convolutions by their flops."""
    trials = []
    for batch, ins, outs, size, kernel in _CONVOLUTIONS:
        x, weight = torch.randn(batch, ins, size, size), torch.randn(outs, ins, kernel, kernel)
        flops = FLOPS_PER_PRODUCT * batch * outs * size * size * ins * kernel * kernel
        trials.append(Trial(flops, flops, partial(functional.conv2d, x, weight, padding=kernel // 2)))
    return rates_of("convolutions", trials)


def bandwidths() -> list[Rate]:
    """Bytes read and written per second by working set: one tensor added to in place."""
    trials = [Trial(size, 2 * size, partial(torch.zeros(size // 4).add_, 1.0)) for size in _WORKING_SETS]
    return rates_of("streams through memory", trials)


def rates_of(name: str, trials: Sequence[Trial]) -> list[Rate]:
    """The rates by size. Those that scatter or contradict their neighbours are measured again.

    Raise OptionError for rates that still do.
    """
    ordered = sorted(trials, key=lambda trial: trial.size)
    rates = [_rate(trial) for trial in ordered]
    for _ in range(_AGAIN):
        doubtful = doubtful_rates(rates)
        if not doubtful:
            return rates
        time.sleep(_PAUSE_SECONDS)
        for place in doubtful:
            again = _rate(ordered[place])
            rates[place] = max(rates[place], again, key=lambda rate: rate.per_second)
    doubtful = doubtful_rates(rates)
    if doubtful:
        rate = rates[doubtful[0]]
        raise OptionError(
            f"this machine is too busy to be measured: {name} of size {rate.size:,} ran at {rate.per_second:.3g} per second, "
            f"which their neighbours contradict, or scattered by {rate.spread:.0%}.",
            hint="Close what else is running, and go on with:  nncost calibrate",
        )
    return rates


def doubtful_rates(rates: Sequence[Rate]) -> list[int]:
    """The places of rates that scatter, that took longer than more work did, or are many times lower than for less work."""
    found = []
    for place, rate in enumerate(rates):
        less, more = rates[place - 1 : place], rates[place + 1 : place + 2]
        is_longer = any(rate.size / rate.per_second > _LONGER * each.size / each.per_second for each in more)
        is_lower = any(rate.per_second * _LOWER < each.per_second for each in less)
        if rate.spread > _SCATTERS or is_longer or is_lower:
            found.append(place)
    return found


def _rate(trial: Trial) -> Rate:
    seconds, spread = timed(trial.run)
    return Rate(trial.size, trial.work / seconds, spread)


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
