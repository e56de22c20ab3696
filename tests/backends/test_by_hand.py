"""A built module takes what the same module written by hand takes: the same operators and the same memory."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from nncost.backends.torch import module_of
from nncost.frontends.model import LoadOptions
from tests.numbers.networks import Attention, Factory, Recurrent, Residual


def block(width: int, heads: int) -> nn.Module:
    return nn.Sequential(
        Residual(nn.LayerNorm(width), Attention(width, heads, causal=True)),
        Residual(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)),
    )


def convolutional(channels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]


BY_HAND: list[tuple[str, int, Factory]] = [
    ("784-16-10", 16, lambda: nn.Sequential(nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 10), nn.Sigmoid())),
    (
        "64-128:relu*3-10:none",
        32,
        lambda: nn.Sequential(
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        ),
    ),
    (
        "3x16x16, [conv 8 3x3 pad=1, batchnorm, relu, maxpool 2]*2, flatten, dense 10",
        4,
        lambda: nn.Sequential(*convolutional(3), *convolutional(8), nn.Flatten(), nn.Linear(128, 10)),
    ),
    (
        "16, embedding 50 32, [residual[layernorm, attention heads=4 causal], residual[layernorm, dense 128, gelu, dense 32]]*2, layernorm, dense 50",
        2,
        lambda: nn.Sequential(nn.Embedding(50, 32), block(32, 4), block(32, 4), nn.LayerNorm(32), nn.Linear(32, 50)),
    ),
    ("12x16, lstm 24, gru 8", 3, lambda: nn.Sequential(Recurrent(nn.LSTM, 16, 24), Recurrent(nn.GRU, 24, 8))),
]
HEAVY = {
    "aten::addmm",
    "aten::mm",
    "aten::bmm",
    "aten::convolution",
    "aten::native_batch_norm",
    "aten::lstm",
    "aten::gru",
}


def watched(module: nn.Module, x: torch.Tensor) -> tuple[Counter[str], int]:
    """The products of a step by operator, and the peak of what it allocates, in bytes."""

    def step() -> None:
        module(x).square().mean().backward()
        module.zero_grad(set_to_none=True)

    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as taken:
        step()
    held = peak = 0
    operators: Counter[str] = Counter()
    for event in taken.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
        elif event.name() in HEAVY:
            operators[event.name()] += 1
    return operators, peak


@pytest.mark.parametrize(("spec", "batch", "factory"), BY_HAND, ids=[spec for spec, *_ in BY_HAND])
def test_operators_and_peak_memory(spec: str, batch: int, factory: Factory) -> None:
    built = module_of(spec, LoadOptions(batch=batch, training=True))
    ours, theirs = watched(built.module, *built.inputs), watched(factory().train(), *built.inputs)
    assert ours[0] == theirs[0]
    assert sum(ours[0].values()) > 0
    assert ours[1] == theirs[1] > 0
