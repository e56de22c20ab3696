"""The losses of :mod:`nncost.ir.training.losses` as PyTorch computes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from nncost.errors import OptionError
from nncost.ir.training.losses import LOSSES

_NO_PROBABILITIES = "between 0 and 1"
"""What PyTorch says of an output of real numbers; shapes have none."""


def takes_classes(name: str) -> bool:
    """Whether a loss is compared with class numbers."""
    return LOSSES[name].target == "classes"


def value_of(name: str, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return a loss other than ``sum``; classes are the second axis of the output, or the only one.

    Raise OptionError if PyTorch has none of the name, or for a loss of probabilities if the output holds other numbers.
    """
    function = getattr(functional, LOSSES[name].torch, None)
    if function is None:
        raise OptionError(f"PyTorch has no loss {name} to run.", hint="nncost train --engine numpy has every loss.")
    try:
        value: torch.Tensor = function(output, target)
    except RuntimeError as error:
        if _NO_PROBABILITIES not in str(error):
            raise
        raise OptionError(
            f"{name} takes probabilities, and the network gives numbers below 0 or above 1.",
            hint=f"--loss {name}_with_logits takes them before their sigmoid.",
        ) from None
    return value


def class_rows(logits: torch.Tensor) -> torch.Tensor:
    """Logits whose classes are the last axis as (rows, classes)."""
    return logits.reshape(-1, logits.shape[-1])


def cross_entropy_of_probabilities(p: torch.Tensor, target: torch.Tensor, axis: int) -> torch.Tensor:
    """−mean log p[target]; a probability that has become zero is taken as the smallest number there is."""
    logarithms = torch.log(p.clamp_min(torch.finfo(p.dtype).tiny)).movedim(axis, -1)
    return functional.nll_loss(class_rows(logarithms), target.reshape(-1))


def output_tensors(output: Any) -> list[torch.Tensor]:
    """The tensors of a model's output in their order: in containers, dataclasses and other objects, each once."""
    found: dict[int, torch.Tensor] = {}
    seen: dict[int, Any] = {}
    waiting = [output]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            found.setdefault(id(value), value)
        elif id(value) not in seen:
            seen[id(value)] = value
            waiting += reversed(list(_parts(value)))
    return list(found.values())


def _parts(value: Any) -> Iterable[Any]:
    """What a value holds that may be tensors."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return value
    if isinstance(value, (str, bytes, int, float, type, ModuleType, FunctionType, nn.Module)):
        return ()
    slots = (name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ()))
    attributes = {**getattr(value, "__dict__", {}), **{name: getattr(value, name, None) for name in slots}}
    return attributes.values() or _leaves(value)


def _leaves(value: Any) -> list[Any]:
    """The parts of a container that is registered with PyTorch."""
    leaves = tree_leaves(value)
    return [] if leaves == [value] or any(leaf is value for leaf in leaves) else leaves


def sum_of(output: Any) -> torch.Tensor:
    """The sum of all floating-point tensors of an output that have a gradient, or of all if none has."""
    leaves = [leaf for leaf in output_tensors(output) if leaf.dtype.is_floating_point]
    sums = [leaf.sum() for leaf in [leaf for leaf in leaves if leaf.requires_grad] or leaves]
    return sums[0] if len(sums) == 1 else torch.stack(sums).sum()


def empty_target(name: str, output: torch.Tensor) -> torch.Tensor:
    """A target without values for an output as :func:`value_of` takes it."""
    if not takes_classes(name):
        return torch.empty_like(output, requires_grad=False)
    shape = (output.shape[0], *output.shape[2:]) if output.dim() > 1 else ()
    return torch.empty(shape, dtype=torch.int64, device=output.device)


def random_target(name: str, output: torch.Tensor) -> torch.Tensor:
    """A target of random classes, or of numbers from 0 to 1."""
    if not takes_classes(name):
        return torch.rand_like(output).detach()
    classes = output.shape[1] if output.dim() > 1 else output.shape[0]
    return torch.randint(0, classes, empty_target(name, output).shape, device=output.device)
