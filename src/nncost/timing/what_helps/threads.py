"""More threads or fewer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from nncost.timing.devices.fingerprint import available_cores
from nncost.timing.what_helps.trial import Attempt, Case, Variant
from nncost.units import counted


def threads(case: Case) -> Iterator[Attempt]:
    """One thread, half of the cores and all of them, beside as many as there are now."""
    now, cores = torch.get_num_threads(), available_cores()
    for count in sorted({1, max(1, cores // 2), cores} - {now}, reverse=True):
        words = f"{counted(count, 'thread')} instead of {now}"
        yield Attempt(
            words, f"torch.set_num_threads({count})", Variant(around=partial(threads_set, count), measured=True)
        )


@contextmanager
def threads_set(count: int) -> Iterator[None]:
    """So many threads while it lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
