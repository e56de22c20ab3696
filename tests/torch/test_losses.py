"""A named loss of a module is PyTorch's function of that name, as it is for a spec (``tests/numbers``)."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from nncost.ir.training.losses import LOSSES

CLASSES = torch.zeros(3, dtype=torch.int64)
NUMBERS = torch.rand(3, 4)
FUNCTIONS = {
    "squared_error": lambda y: functional.mse_loss(y, NUMBERS),
    "cross_entropy": lambda y: functional.cross_entropy(y, CLASSES),
    "binary_cross_entropy": lambda y: functional.binary_cross_entropy(y, NUMBERS),
    "binary_cross_entropy_with_logits": lambda y: functional.binary_cross_entropy_with_logits(y, NUMBERS),
}


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Sigmoid())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_name_counts_as_the_function(name: str) -> None:
    named = nncost.count(network(), (3, 5), loss=name)
    called = nncost.count(network(), (3, 5), loss=FUNCTIONS[name])
    assert named.complete
    assert dict(named.loss) == dict(called.loss)
    assert dict(named.backward) == dict(called.backward)


def test_every_loss_but_the_sum_is_compared() -> None:
    assert set(FUNCTIONS) == set(LOSSES) - {"sum"}
