"""Random modules of blocks that look alike are counted the same with and without the replay of equal blocks.

``NNCOST_TRIALS`` asks for a multiple of them.
"""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest
import torch

import nncost
from tests.trials import trials

from . import random_modules
from .random_modules import WIDTH, network

EXAMPLES = trials(200)
IN_ONE_TEST = 20


def report(seed: int, *, reuse: bool) -> dict[str, Any] | str:
    """What is counted of a seed's module, to the last row and byte; or what it raised."""
    module, settings = network(seed)
    random.seed(seed)
    torch.manual_seed(seed)
    random_modules.STEPS[0] = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of each thing once: in one way of two
            return nncost.count(module, (2, 5, WIDTH), reuse=reuse, learn=False, **settings).to_dict()
    except Exception as error:  # noqa: BLE001 - what does not run does not run in both ways
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("first", range(0, EXAMPLES, IN_ONE_TEST))
def test_both_ways_count_the_same(first: int) -> None:
    for seed in range(first, min(first + IN_ONE_TEST, EXAMPLES)):
        assert report(seed, reuse=True) == report(seed, reuse=False), f"seed {seed}"
