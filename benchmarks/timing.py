"""Interleaved timing: candidates take turns, and each one's fastest run counts."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence


class Prepared:
    """A candidate that something is made for before each run, which is not timed: ``prepare()`` returns what is."""

    def __init__(self, prepare: Callable[[], Callable[[], object]]) -> None:
        self.prepare = prepare

    def __call__(self) -> object:
        """One run with what it needs."""
        return self.prepare()()


def fastest(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each candidate's fastest run, all of them warmed up once and run in turn."""
    for candidate in candidates.values():
        candidate()
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, candidate in candidates.items():
            run = candidate.prepare() if isinstance(candidate, Prepared) else candidate
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def process(arguments: Sequence[str]) -> Callable[[], object]:
    """A candidate that runs a Python program to its end, with its bytecode cached as that of an installed one is."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run(arguments, check=True, capture_output=True, env=environment)


def print_ratios(
    title: str, seconds: Mapping[str, float], reference: str, aims: Mapping[str, float] | None = None
) -> None:
    """One line for each candidate: its time as a multiple of the reference's."""
    print(f"\n{title}")
    for name, value in seconds.items():
        aim = f"   (aim {aims[name]:g})" if aims and name in aims else ""
        print(f"  {name:<58}{value / seconds[reference]:8.2f}{aim}")
