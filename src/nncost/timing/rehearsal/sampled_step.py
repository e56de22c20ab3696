"""A step in which some of the equal blocks are left out, and what the whole one takes: the rest, and all blocks as those that ran."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from nncost.timing.measure.step import Stepper, StepSeconds
from nncost.timing.rehearsal.blocks import Block
from nncost.timing.rehearsal.choice import Choice
from nncost.timing.rehearsal.clock import Clock
from nncost.timing.rehearsal.skipping import leave_out
from nncost.timing.rehearsal.surroundings import (
    BlockTimes,
    CacheBound,
    KnownGradients,
    NotSampledError,
    Surroundings,
)
from nncost.timing.rehearsal.timed_block import time_block
from nncost.timing.replay.cache_distance import FURTHEST
from nncost.timing.runnable import Subject


class SampledStepper:
    """A subject ready to run thinned steps; it works on a copy."""

    def __init__(self, subject: Subject, choice: Choice, *, copied: bool = True) -> None:
        self._clock, self._times, self._choice = Clock(), BlockTimes(), choice
        self._trains = subject.loss is not None
        self._stepper = Stepper(subject, copied=copied, clock=self._clock, before_update=self._check_gradients)
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
        self._check_passes()
        forward = self._missing(self._times.forward, self._choice.groups)
        with_backward = [group for group in self._choice.groups if group[0].has_backward and self._trains]
        backward = self._missing(self._times.backward, with_backward)
        return StepSeconds(seconds.forward + forward, seconds.backward + backward, seconds.update)

    def _check_passes(self) -> None:
        """Each block is called once, and gradients pass it once where they did in the whole step."""
        for block in (block for group in self._choice.groups for block in group):
            called, passed = self._times.calls[block.path], self._times.passed[block.path]
            if called != 1:
                raise NotSampledError(f"{block.path} ran {called} times")
            if passed != int(block.has_backward and self._trains):
                raise NotSampledError(f"the gradients of {block.path} were there {passed} times")

    def _check_gradients(self) -> None:
        """Each parameter that a whole step trains has a gradient."""
        with self._clock.stopped():
            parameters = self._stepper.module.named_parameters()
            missing = [name for name, p in parameters if p.grad is None and name in self._choice.trained]
        if missing:
            raise NotSampledError(f"{missing[0]} has no gradient while blocks are left out")

    def _missing(self, times: Mapping[str, float], groups: Sequence[Sequence[Block]]) -> float:
        """The seconds of the blocks that were left out: as many as those that ran took on average."""
        missing = 0.0
        for group in groups:
            ran = [times[block.path] for block in group if block.path in times]
            if not ran:
                raise NotSampledError(f"nothing is known of {group[0].path}")
            missing += (len(group) - sum(block.path in self._choice.running for block in group)) * statistics.mean(ran)
        return missing
