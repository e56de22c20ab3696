"""A recording holds the operators that PyTorch really runs, in order, and leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.allocation.recorder import inplace_form, record_step
from nncost.frontends.torch.step.optimizer import optimizer_of


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x)


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x)[0])


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), (4, 6)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()),
        (2, 3, 8, 8),
    ),
    "attention": (_Attention, (2, 4, 8)),
    "lstm": (_Lstm, (2, 4, 6)),
}  # fmt: skip


class _Heard(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace not in ("prim", "profiler"):
            self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def _really(module: nn.Module, x: torch.Tensor, optimizer: str) -> list[str]:
    module = copy.deepcopy(module).train()
    chosen = optimizer_of(optimizer, [(p, p) for p in module.parameters()])
    assert chosen is not None
    for heard in (_Heard(), _Heard()):
        module.zero_grad(set_to_none=True)
        with heard:
            output = module(x)
            nn.functional.mse_loss(output, torch.empty_like(output, requires_grad=False)).backward()
            chosen.step()
    return heard.names


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_operators_are_those_that_run(name: str, optimizer: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    module, x = make().train(), torch.randn(shape)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    drawn = torch.random.get_rng_state()
    options = LoadOptions(training=True, steps=Training("squared_error", optimizer))
    recording = record_step(module, Inputs((x,)), options)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert "forward" not in vars(module)
    names = [str(recorded.operator) for recorded in recording.operators]
    assert _compared(name, names) == _compared(name, _really(module, x, optimizer))


_KEPT_GRADIENT = ("aten.new_empty_strided.default", "aten.copy_.default", "aten.detach.default")
"""How autograd keeps a gradient depends on its strides, which the stand-in of the fused LSTM does not have."""


def _compared(name: str, operators: list[str]) -> list[str]:
    return sorted(each for each in operators if name != "lstm" or each not in _KEPT_GRADIENT)


def test_layers_phases_and_memory() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    options = LoadOptions(training=True, steps=Training("squared_error", "sgd"))
    recording = record_step(module, Inputs((torch.randn(4, 6),)), options)
    places = {(r.path, r.phase) for r in recording.operators if "addmm" in str(r.operator) or "mm" in str(r.operator)}
    assert places == {("0", "forward"), ("2", "forward"), ("0", "backward"), ("2", "backward")}
    assert recording.modules == {"": 1, "0": 1, "1": 1, "2": 1}
    assert set(recording.trained) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert recording.has_update
    taken = {event.storage: event.bytes for event in recording.memory if event.bytes is not None}
    gone = {event.storage for event in recording.memory if event.bytes is None}
    left = sorted(taken[storage] for storage in taken.keys() - gone)
    gradients = sorted(4 * p.numel() for p in module.parameters())
    assert left[-1] >= gradients[-1]
    assert sum(taken.values()) > sum(gradients)


def test_a_forward_pass_alone_has_no_gradients() -> None:
    module = nn.Linear(3, 2)
    recording = record_step(module, Inputs((torch.randn(1, 3),)), LoadOptions())
    assert {recorded.phase for recorded in recording.operators} == {"forward"}
    assert not recording.trained
    assert not recording.has_update


def test_gradients_are_added_in_place_outside_a_recording() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.tanh(self.layer(x)))

    options = LoadOptions(training=True, steps=Training("squared_error", "sgd"))
    recording = record_step(Twice(), Inputs((torch.randn(2, 3),)), options)
    sums = [recorded for recorded in recording.operators if recorded.adds_in_place]
    assert sums
    assert {str(inplace_form(recorded).operator) for recorded in sums} == {"aten.add_.Tensor"}
