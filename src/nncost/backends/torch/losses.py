"""Losses as PyTorch functions with the meaning that :mod:`nncost.ir.training.losses` gives their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from nncost.errors import OptionError
from nncost.ir.training.losses import LOSSES

Loss = Callable[..., Any]
"""``loss(output, target)``: the module's output (one tensor, or several) and a target, or None for ``sum``."""


def loss_function(name: str, *, probabilities: int | None = None) -> Loss:
    """The loss of that name; ``probabilities`` is the class axis where a network's output is a softmax already.

    Raises OptionError for a name that is not a loss.
    """
    if name == "cross_entropy" and probabilities is not None:
        return lambda output, target: _from_probabilities(_first(output), target, probabilities)
    if name not in _LOSSES:
        known = ", ".join(loss for loss in LOSSES if loss in _LOSSES)
        raise OptionError(f"there is no loss {name!r} to run.", hint=f"Accepted: {known}.")
    return _LOSSES[name]


def _first(output: Any) -> torch.Tensor:
    """What a loss is of: the first output."""
    return output[0] if isinstance(output, tuple) else output


def _squared_error(output: Any, target: Any) -> torch.Tensor:
    return functional.mse_loss(_first(output), target)


def _cross_entropy(output: Any, target: Any) -> torch.Tensor:
    logits = _first(output)
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))


def _from_probabilities(p: torch.Tensor, target: torch.Tensor, axis: int) -> torch.Tensor:
    """−mean log p[target]; a probability that has become zero is taken as the smallest number there is."""
    logarithms = torch.log(p.clamp_min(torch.finfo(p.dtype).tiny)).movedim(axis, -1)
    return functional.nll_loss(logarithms.reshape(-1, logarithms.shape[-1]), target.reshape(-1))


def _binary_cross_entropy(output: Any, target: Any) -> torch.Tensor:
    return functional.binary_cross_entropy(_first(output), target)


def _sum(output: Any, target: Any = None) -> torch.Tensor:
    """Every output of floats; the target is not read."""
    outputs = output if isinstance(output, tuple) else (output,)
    total = outputs[0].sum()
    for other in outputs[1:]:
        total = total + other.sum() if other.is_floating_point() else total
    return total


_LOSSES: dict[str, Loss] = {
    "squared_error": _squared_error,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "sum": _sum,
}
