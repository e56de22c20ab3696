"""A time that only operators advance, each by as much as its name and its sizes say: steps take exactly so long each time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.allocation.recorder import Recording, record_step
from nncost.timing.measure.step import Stepper, StepSeconds
from nncost.timing.rehearsal import clock
from nncost.timing.rehearsal.blocks import Container, containers_of
from nncost.timing.rehearsal.choice import Choice, chosen
from nncost.timing.rehearsal.sampled_step import SampledStepper
from nncost.timing.runnable import Subject

_FREE = (
    "view",
    "detach",
    "alias",
    "_unsafe_view",
    "expand",
    "t",
    "transpose",
    "permute",
    "slice",
    "select",
    "unsqueeze",
)


class MadeUpTime(TorchDispatchMode):
    """Stands for the module ``time``: whole numbers of seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def perf_counter(self) -> float:
        """The time now."""
        return self.now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.name().split("::")[1].split(".")[0].rstrip("_")
        if name not in _FREE:
            sizes = [leaf.numel() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            self.now += 1 + zlib.crc32(name.encode()) % 1000 + sum(sizes)
        return result


@contextmanager
def made_up_time() -> Iterator[MadeUpTime]:
    """Meanwhile clocks of steps show a made-up time."""
    before = clock.time
    with MadeUpTime() as now:
        clock.time = now  # type: ignore[assignment]
        try:
            yield now
        finally:
            clock.time = before


Loss = Callable[[Any], torch.Tensor]


def total(output: Any) -> torch.Tensor:
    """A loss of every tensor in an output."""
    leaves = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    return torch.stack([leaf.sum() for leaf in leaves]).sum()


def recorded(module: nn.Module, given: Inputs, loss: Loss | None = total, optimizer: str = "adam") -> Recording:
    """A module's step."""
    steps = Training(loss or "none", optimizer if loss else "none")
    return record_step(module, given, LoadOptions(training=loss is not None, steps=steps))


def subject(module: nn.Module, given: Inputs, loss: Loss | None = total, optimizer: str = "adam") -> Subject:
    """A module ready to run."""
    steps = Training(loss or "none", optimizer if loss else "none")
    trained = None if loss is None or optimizer == "none" else optimizer
    return Subject(module, given, LoadOptions(steps=steps), loss, trained, {})


def choice_of(containers: list[Container], recording: Recording, share: float) -> Choice | None:
    """Some of the equal blocks; None where all of them have to run."""
    picked = [chosen(container, share) for container in containers]
    kept = [(container, paths) for container, paths in zip(containers, picked, strict=True) if paths is not None]
    if not kept:
        return None
    running = frozenset[str]().union(*(paths for _, paths in kept))
    return Choice([container for container, _ in kept], running, frozenset(recording.trained))


def both(
    module: nn.Module, given: Inputs, share: float = 0.5, loss: Loss | None = total, optimizer: str = "adam"
) -> tuple[StepSeconds, StepSeconds | None]:
    """The seconds of a whole step, and those that a step of some blocks says (None where there is nothing to leave out)."""
    recording = recorded(module, given, loss, optimizer)
    choice = choice_of(containers_of(module, recording), recording, share)
    with made_up_time():
        whole = Stepper(subject(module, given, loss, optimizer), clock=clock.Clock())
        whole.step()
        expected = whole.step()
        if choice is None:
            return expected, None
        sampled = SampledStepper(subject(module, given, loss, optimizer), choice)
        sampled.step()
        return expected, sampled.step()
