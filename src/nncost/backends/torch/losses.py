"""Losses of a built network: functions of its output and a target, named as counts name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nncost.errors import OptionError
from nncost.frontends.torch.step.named_losses import (
    class_rows,
    cross_entropy_of_probabilities,
    sum_of,
    takes_classes,
    value_of,
)
from nncost.ir.training.losses import LOSSES

TorchLoss = Callable[..., torch.Tensor]
"""``loss(output, target)``: the module's output (one tensor, or several) and a target, or None for ``sum``."""


def loss_function(name: str, *, probabilities: int | None = None) -> TorchLoss:
    """The loss of that name; ``probabilities`` is the class axis if a network's output is a softmax already.

    Raise OptionError for a name that is not a loss.
    """
    if name not in LOSSES:
        raise OptionError(f"there is no loss {name!r} to run.", hint=f"Accepted: {', '.join(LOSSES)}.")
    if name == "sum":
        return lambda output, target=None: sum_of(output)
    if not takes_classes(name):
        return lambda output, target: value_of(name, _first(output), target)
    if probabilities is not None:
        return lambda output, target: cross_entropy_of_probabilities(_first(output), target, probabilities)
    return lambda output, target: value_of(name, class_rows(_first(output)), target.reshape(-1))


def _first(output: Any) -> torch.Tensor:
    """The output that a loss is of."""
    first: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return first
