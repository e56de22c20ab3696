"""No function that PyTorch offers to models is unknown, forward or backward."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import nncost
from tests.torch.functions import FUNCTIONS, Function


class Behind(nn.Module):
    """The function behind one learned factor, so that every input's gradient is asked for."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.factor, self.function = nn.Parameter(torch.ones(())), function

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        return self.function(*(t * self.factor if t.is_floating_point() else t for t in x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_unknown(name: str) -> None:
    function, inputs = FUNCTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = nncost.count(Behind(function), nncost.Inputs(inputs), loss="sum")
    assert report.unknown == []
    assert report.backward.mul > 0
