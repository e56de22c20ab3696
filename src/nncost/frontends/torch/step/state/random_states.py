"""The random states of Python, NumPy and PyTorch."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def random_state_kept(seed: int | None = None) -> Iterator[None]:
    """Python's, NumPy's and PyTorch's random state, put back at the end; with a ``seed``, PyTorch's starts from it."""
    ours = random.getstate()
    theirs = torch.default_generator.get_state()
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    numpy = sys.modules.get("numpy.random")
    numpys = numpy.get_state() if numpy is not None else None
    if seed is not None:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(ours)
        torch.default_generator.set_state(theirs)
        if on_devices is not None:
            torch.cuda.set_rng_state_all(on_devices)
        if numpy is not None:
            numpy.set_state(numpys)
