"""What stays as it was while transformers builds or runs a model: its log, the network, random numbers."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

LOGGERS = ("transformers", "huggingface_hub", "timm")
SILENT = logging.CRITICAL + 1


@contextmanager
def quiet() -> Iterator[None]:
    """Print nothing, download nothing and use up no random number meanwhile; put everything back afterwards."""
    with ExitStack() as stack:
        for name in LOGGERS:
            stack.enter_context(_silent(logging.getLogger(name)))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_offline())
        stack.enter_context(_same_random_numbers())
        stack.enter_context(_portable_experts())
        yield


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(SILENT)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _offline() -> Iterator[None]:
    """Every request of the hub's client raises an error."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    import numpy as np
    import torch

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is what may be used
    torch_state: Any = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_rng_state(torch_state)


@contextmanager
def _portable_experts() -> Iterator[None]:
    """Mixtures of experts multiply by transformers' own grouped product: PyTorch's knows shapes for bfloat16 only."""
    from transformers.integrations import moe

    before: Any = getattr(moe, "_can_use_grouped_mm", None)
    if before is None:
        yield
        return
    moe._can_use_grouped_mm = lambda *_: False
    try:
        yield
    finally:
        moe._can_use_grouped_mm = before
