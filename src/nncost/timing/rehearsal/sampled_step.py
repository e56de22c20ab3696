"""A step in which some of the equal blocks are left out, and what the whole one takes: the rest, and all blocks as those that ran."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from nncost.records import record
from nncost.timing.measure.step import Stepper, StepSeconds
from nncost.timing.rehearsal.blocks import Block, Container
from nncost.timing.rehearsal.clock import Clock
from nncost.timing.rehearsal.skipping import BlockTimes, CacheBound, KnownGradients, Surroundings, leave_out, time_block
from nncost.timing.replay.cache_distance import FURTHEST
from nncost.timing.runnable import Subject


class NotSampledError(Exception):
    """A block did not run as it was recorded; the step cannot be put together of some of its blocks."""


@record
class Choice:
    """The equal blocks of a network, and the paths of those that run."""

    containers: Sequence[Container]
    running: frozenset[str]

    @property
    def groups(self) -> list[tuple[Block, ...]]:
        """The groups of equal blocks of all containers."""
        return [group for container in self.containers for group in container]

    @property
    def blocks(self) -> int:
        """All blocks."""
        return sum(len(group) for group in self.groups)


class SampledStepper:
    """A subject ready to run thinned steps; it works on a copy."""

    def __init__(self, subject: Subject, choice: Choice, *, copied: bool = True) -> None:
        self._clock, self._times, self._choice = Clock(), BlockTimes(), choice
        self._trains = subject.loss is not None
        self._stepper = Stepper(subject, copied=copied, clock=self._clock)
        bound = CacheBound(FURTHEST)
        for group in choice.groups:
            around = Surroundings(self._clock, self._times, bound, KnownGradients())
            for block in group:
                wrap = time_block if block.path in choice.running else leave_out
                wrap(self._stepper.module.get_submodule(block.path), block, around)

    def step(self) -> StepSeconds:
        """Run a thinned step; the seconds of the whole one. Raise NotSampledError for blocks that ran otherwise than recorded."""
        self._times.clear()
        seconds = self._stepper.step()
        self._check_calls()
        backward = self._missing(self._times.backward) if self._trains and seconds.backward else 0.0
        return StepSeconds(
            seconds.forward + self._missing(self._times.forward), seconds.backward + backward, seconds.update
        )

    def _check_calls(self) -> None:
        for group in self._choice.groups:
            for block in group:
                if self._times.calls.get(block.path) != 1:
                    raise NotSampledError(f"{block.path} ran {self._times.calls.get(block.path, 0)} times")

    def _missing(self, times: Mapping[str, float]) -> float:
        """The seconds of the blocks that were left out: as many as those that ran took on average."""
        missing = 0.0
        for group in self._choice.groups:
            ran = [times[block.path] for block in group if block.path in times and times[block.path] >= 0]
            if not ran:
                raise NotSampledError(f"nothing is known of {group[0].path}")
            missing += (len(group) - sum(block.path in self._choice.running for block in group)) * statistics.mean(ran)
        return missing


def is_plain(module: nn.Module) -> bool:
    """Whether the forward of each layer can be replaced: TorchScript's cannot."""
    return not any(isinstance(layer, torch.jit.ScriptModule) for layer in module.modules())
