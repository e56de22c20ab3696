"""Which gradients are computed: those that were asked for, and no others."""

from __future__ import annotations

import torch
from torch import nn

import nncost

BATCH, INTO, OUT = 3, 4, 5


def test_the_input_has_a_gradient_only_where_it_requires_one() -> None:
    module = nn.Linear(INTO, OUT)
    for asked, products in ((False, 1), (True, 2)):
        x = torch.randn(BATCH, INTO, requires_grad=asked)
        report = nncost.count(module, x, loss="sum")
        assert report.backward.macs == products * BATCH * INTO * OUT
        assert x.grad is None


class Forces(nn.Module):
    """The forward pass is itself a gradient, by a model that expects gradients to be on."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = nn.Linear(INTO, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.energy(x).pow(2).sum(), x)[0]


def test_a_model_that_differentiates_in_its_forward_pass() -> None:
    # The energy, and the gradient of its input: a product each.
    report = nncost.count(Forces(), (BATCH, INTO))
    assert report.forward.macs == 2 * BATCH * INTO
    assert report.backward.macs == 0


def test_frozen_layers_have_no_gradients_and_pass_none_on() -> None:
    module = nn.Sequential(nn.Linear(INTO, OUT), nn.ReLU(), nn.Linear(OUT, OUT), nn.ReLU(), nn.Linear(OUT, 2))
    whole = BATCH * (INTO * OUT + OUT * OUT + OUT * 2)
    inner = BATCH * (OUT * OUT + OUT * 2)
    assert nncost.count(module, (BATCH, INTO), loss="sum").backward.macs == whole + inner
    frozen = nncost.count(module, (BATCH, INTO), loss="sum", optimizer="sgd", freeze=["0", "2"])
    assert frozen.backward.macs == BATCH * OUT * 2
    assert frozen.update.mul == frozen.parameters.trainable == OUT * 2 + 2
    module[0].requires_grad_(requires_grad=False)
    assert nncost.count(module, (BATCH, INTO), loss="sum").backward.macs == whole + inner - BATCH * (
        INTO * OUT + OUT * OUT
    )
