"""What PyTorch's CPU allocator says: its own allocation events over one step, as the profiler reports them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

import nncost
from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.load import load_module
from nncost.ir.storage import Timeline

OPTIMIZERS: Mapping[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True)
class Truth:
    """Bytes taken and given back in a step, the peak on top of what is there before, and the bytes of the optimizer's state."""

    peak: int
    state: int
    events: list[int] = field(default_factory=list, compare=False, repr=False)


def events_of(run: Callable[[], object]) -> list[int]:
    """Bytes taken (positive) and given back (negative), in order."""
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as found:
        run()
    assert found.profiler is not None
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def totals_of(events: list[int]) -> list[int]:
    """What is held after each time that something is taken."""
    total, found = 0, []
    for size in events:
        total += size
        if size > 0:
            found.append(total)
    return found


def peak_of(events: list[int]) -> int:
    """The highest running sum."""
    total = highest = 0
    for size in events:
        total += size
        highest = max(highest, total)
    return highest


def step_of(module: nn.Module, inputs: Any, loss: str, optimizer: str | Callable[[Any], Any]) -> Truth:
    """A training step of a copy of the module: forward, loss, backward, update, gradients set to None.

    A step before it has made the optimizer's state.
    """
    module = copy.deepcopy(module).train()
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    chosen = make(module.parameters())
    target = _target(_tensor(_called(module, inputs)).detach(), loss)

    def step() -> None:
        output = _called(module, inputs)
        value = _loss(_tensor(output), target, loss)
        value.backward()  # type: ignore[no-untyped-call]
        chosen.step()
        chosen.zero_grad(set_to_none=True)

    step()
    step()
    tensors = [v for state in chosen.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
    events = events_of(step)
    return Truth(peak_of(events), sum(tensor.nbytes for tensor in tensors), events)


def inference_of(module: nn.Module, inputs: Any) -> int:
    """The peak of a forward pass without gradients."""
    module = copy.deepcopy(module).eval()

    def run() -> None:
        with torch.no_grad():
            _called(module, inputs)

    run()
    return peak_of(events_of(run))


def check_step(module: nn.Module, inputs: Any, loss: str = "squared_error", optimizer: str = "sgd") -> nncost.Report:
    """The report of a training step, once its peak and its state are those of the allocator to the byte."""
    truth = step_of(module, inputs, loss, optimizer)
    report = nncost.count(module, inputs, loss=loss, optimizer=optimizer)
    assert report.memory.notes == ()
    assert report.memory.step_allocated == truth.peak
    assert report.memory.optimizer_state == truth.state
    return report


def followed(module: nn.Module, inputs: Any, optimizer: str = "sgd", learn: bool | None = None) -> Timeline:
    """The timeline of a training step with the loss ``squared_error``."""
    given = Inputs(kwargs=inputs) if isinstance(inputs, dict) else Inputs(tuple(inputs))
    options = LoadOptions(given=given, steps=Training("squared_error", optimizer), learn=learn, training=True)
    timeline = load_module(module, options).timeline
    assert timeline is not None
    return timeline


def check_allocations(module: nn.Module, inputs: Any, optimizer: str = "sgd", learn: bool | None = None) -> None:
    """What a step holds after each allocation is what the allocator says, from the first to the last, to the byte."""
    timeline = followed(module, inputs, optimizer, learn)
    assert timeline.unknown_workspace == ()
    moments = [(found.born, found.bytes) for found in timeline.allocations]
    moments += [(found.dies, -found.bytes) for found in timeline.allocations if found.dies is not None]
    events = [int(size) for _, size in sorted(moments)]
    assert totals_of(events) == totals_of(step_of(module, inputs, "squared_error", optimizer).events)


def _called(module: nn.Module, inputs: Any) -> Any:
    return module(**inputs) if isinstance(inputs, dict) else module(*inputs)


def _tensor(output: Any) -> torch.Tensor:
    found = output if isinstance(output, torch.Tensor) else output.logits
    assert isinstance(found, torch.Tensor)
    return found


def _target(output: torch.Tensor, loss: str) -> torch.Tensor:
    if loss == "squared_error":
        return torch.zeros_like(output)
    rows = output.reshape(-1, output.shape[-1]) if output.dim() == 3 else output
    return torch.zeros((rows.shape[0], *rows.shape[2:]), dtype=torch.int64)


def _loss(output: torch.Tensor, target: torch.Tensor, loss: str) -> torch.Tensor:
    if loss == "squared_error":
        return functional.mse_loss(output, target)
    return functional.cross_entropy(output.reshape(-1, output.shape[-1]) if output.dim() == 3 else output, target)
