"""What is tried, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn

from nncost.frontends.model import Inputs
from nncost.pipeline.settings import Settings
from nncost.records import field, record
from nncost.report import Report
from nncost.timing.measure.step import StepSeconds
from nncost.timing.runnable import Subject

How = Literal["measured", "predicted"]
PART_OF_MEMORY = 0.3
"""Of what is free, for a step: two networks are there at once."""


@record
class Case:
    """A source's step as it is: what runs, and the seconds of it that are known before anything is tried."""

    source: Any
    settings: Settings
    report: Report
    subject: Subject
    usual: StepSeconds

    @property
    def trains(self) -> bool:
        """Whether there is a backward pass."""
        return self.subject.loss is not None


def _same(value: Any) -> Any:
    return value


def _nothing(optimizer: torch.optim.Optimizer) -> None:
    pass


@record
class Variant:
    """Another step: all that is left out here is as in the step as it is.

    ``module`` is handed a copy, never the user's own; ``around`` holds while the steps run and is undone behind them.
    ``batch`` is another number of examples, ``examples`` how many times as many those are. What is only ``measured`` changes
    nothing that a prediction knows.
    """

    module: Callable[[nn.Module], nn.Module] = _same
    given: Callable[[Inputs], Inputs] = _same
    tuned: Callable[[torch.optim.Optimizer], None] = _nothing
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    batch: int | None = None
    examples: float = 1.0
    measured: bool = False


@record
class Part:
    """Operators that a step runs ``times`` times, as they are and as they would be: both run alone."""

    now: Callable[[], object]
    then: Callable[[], object]
    times: int


@record
class Attempt:
    """Something to try, in words (``2 threads instead of 1``), and how a user would ``do`` it."""

    what: str
    do: str
    trial: Variant | Part


@record
class Tried:
    """How many times faster an attempt is (0.5: it takes twice as long), and how far the rounds differ: 0.1 is a tenth."""

    attempt: Attempt = field(repr=False)
    gain: float
    scatter: float
    how: How

    @property
    def per_example(self) -> bool:
        """Whether the gain is that of an example, as steps are of more of them."""
        return isinstance(self.attempt.trial, Variant) and self.attempt.trial.examples != 1
