"""Real steps of a real module, timed by phase."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn

from nncost.errors import SourceError
from nncost.frontends.torch.step.optimizer import optimizer_of
from nncost.records import record
from nncost.timing.accelerator import clock_of, device_of
from nncost.timing.prediction import TIMED_PHASES
from nncost.timing.runnable import Subject


@record
class StepSeconds:
    """Seconds of one step: forward with the loss, backward, and update with the gradients given back."""

    forward: float
    backward: float = 0.0
    update: float = 0.0

    @property
    def step(self) -> float:
        """All three."""
        return self.forward + self.backward + self.update


class Stepper:
    """A subject ready to run step after step. It works on a copy: the subject's own module is not changed.

    ``before_update`` is called once the gradients are there. Raise SourceError for a module that cannot be copied or has no memory.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        copied: bool = True,
        module: nn.Module | None = None,
        clock: Callable[[], float] | None = None,
        before_update: Callable[[], None] | None = None,
    ) -> None:
        """``module`` is what runs in place of a copy: one with the parameters of the subject's, in the same order.

        ``clock`` is that of the module's device if none is given.
        """
        self.module = module or (copy_of(subject.module) if copied else subject.module)
        self._clock, self._before_update = clock or clock_of(device_of(self.module)), before_update
        self._subject = subject
        training = subject.loss is not None
        self.module.train(training and (subject.module.training or _flagged(subject)))
        self.optimizer = self._optimizer_of(subject) if training and subject.optimizer is not None else None

    def _optimizer_of(self, subject: Subject) -> torch.optim.Optimizer | None:
        pairs = zip(self.module.parameters(), subject.module.parameters(), strict=True)
        trained = [(mine, theirs) for mine, theirs in pairs if mine.requires_grad]
        return optimizer_of(subject.optimizer, trained) if trained else None

    def step(self) -> StepSeconds:
        """Run one step."""
        given, loss = self._subject.given, self._subject.loss
        if loss is None:
            with torch.no_grad():
                start = self._clock()
                self.module(*given.args, **given.kwargs)
                return StepSeconds(self._clock() - start)
        start = self._clock()
        output = self.module(*given.args, **given.kwargs)
        value = loss(output)
        forward = self._clock()
        value.backward()
        backward = self._clock()
        if self._before_update is not None:
            self._before_update()
        if self.optimizer is not None:
            self.optimizer.step()
        self.module.zero_grad(set_to_none=True)
        update = self._clock()
        del output, value  # until here, as in a loop that reports what it learns
        return StepSeconds(forward - start, backward - forward, update - backward)


def _flagged(subject: Subject) -> bool:
    """A module handed over in evaluation mode is trained all the same when a loss is named."""
    return subject.options.steps.mode != "inference"


def copy_of(module: nn.Module, *, memory: bool = True) -> nn.Module:
    """Return a copy. Raise SourceError for a module that cannot be copied, or that has no ``memory`` though it must."""
    if memory and any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise SourceError(
            "the module has no memory (it is on the meta device), so it cannot run.",
            hint="Predict its time instead:  nncost predict",
        )
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError, AttributeError, NotImplementedError) as error:
        raise SourceError(f"the module cannot be copied, and nncost does not run the original: {error}.") from error


LOWER_QUARTILE, MEDIAN = 0.25, 0.5


def at_rank(steps: Sequence[StepSeconds], rank: float) -> StepSeconds:
    """Return the seconds of each phase at a rank among the steps: 0 the shortest, 0.5 the median, 1 the longest.

    What else runs on the machine only ever makes a step longer: the lower quartile is that of a quiet one.
    """
    return StepSeconds(*(ranked([getattr(step, phase) for step in steps], rank) for phase in TIMED_PHASES))


def ranked(values: Sequence[float], rank: float) -> float:
    """Return the value at a rank from 0 to 1 in order of size."""
    return sorted(values)[min(len(values) - 1, int(rank * len(values)))]
