"""Whole training runs of modules: as those of the spec with the same layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost


def network() -> nn.Module:
    layers: list[nn.Module] = []
    for into, out in ((784, 16), (16, 16), (16, 10)):
        layers += [nn.Linear(into, out), nn.Sigmoid()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("inputs", [(64, 784), torch.zeros(64, 784)])
def test_a_run_with_a_smaller_last_batch_and_accumulation(inputs: Any) -> None:
    settings = {"examples": 1000, "epochs": 2, "accumulate": 3, "loss": "squared_error", "optimizer": "sgd"}
    spec = nncost.count("784-16-16-10", batch=64, **settings)
    module = nncost.count(network(), inputs, **settings)
    assert spec.run is not None
    assert module.run is not None
    assert module.run.steps == spec.run.steps
    for phase in ("forward", "backward", "update"):
        for quantity in ("mul", "add", "macs", "activations", "derivatives"):
            assert module.run.totals[phase][quantity] == spec.run.totals[phase][quantity], (phase, quantity)


def test_another_batch_changes_the_examples_alone() -> None:
    class Masked(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return x @ mask

    report = nncost.count(Masked(), {"x": (2, 5), "mask": (5, 5)}, batch=7)
    assert report.source.inputs == {"x": (7, 5), "mask": (5, 5)}
    assert report.forward.macs == 7 * 5 * 5


def test_the_numbers_everyone_must_agree_on() -> None:
    one = nncost.count(network(), (1, 784), loss="squared_error", optimizer="sgd")
    many = nncost.count(network(), (64, 784), loss="squared_error", optimizer="sgd")
    assert (one.parameters.weights, one.parameters.biases, one.parameters.total) == (12_960, 42, 13_002)
    assert (one.forward.mul, one.forward.add, one.forward.activations, one.neurons) == (12_960, 12_960, 42, 42)
    assert (one.backward.mul, one.backward.add, one.backward.derivatives) == (13_460, 426, 13_002)
    assert (one.update.mul, one.update.add) == (13_002, 13_002)
    assert (many.forward.mul, many.forward.add) == (829_440, 829_440)
    assert (many.backward.mul, many.backward.add) == (861_440, 846_390)
