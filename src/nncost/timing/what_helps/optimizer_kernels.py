"""One kernel for an optimizer's whole update, in place of several operators for each parameter."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial

import torch

from nncost.frontends.torch.step.optimizer import optimizer_name
from nncost.timing.what_helps.trial import Attempt, Case, Variant

FORMS = ("fused", "foreach")
_MATTERS = 0.02
"""An update of a smaller part of the step cannot help by more than that."""


def optimizer_kernels(case: Case) -> Iterator[Attempt]:
    """The fused form and the one that takes all parameters at once, where the optimizer has them."""
    optimizer = case.subject.optimizer
    if optimizer is None or not case.trains or case.usual.update < _MATTERS * case.usual.step:
        return
    cls = _class_of(optimizer)
    for form in FORMS:
        if cls is not None and form in inspect.signature(cls).parameters and not _is_on(optimizer, form):
            trial = Variant(tuned=partial(tune, form=form), measured=True)
            yield Attempt(
                f"the {form} form of {optimizer_name(optimizer)}", f"torch.optim.{cls.__name__}(…, {form}=True)", trial
            )


def _class_of(optimizer: object) -> type[torch.optim.Optimizer] | None:
    """The class of PyTorch's own; None for any other."""
    if isinstance(optimizer, str):
        names = {name.lower(): value for name, value in vars(torch.optim).items() if isinstance(value, type)}
        return names.get(optimizer.lower())
    cls = optimizer if isinstance(optimizer, type) else type(optimizer)
    return cls if cls.__module__.startswith("torch.optim") else None


def _is_on(optimizer: object, form: str) -> bool:
    return isinstance(optimizer, torch.optim.Optimizer) and any(group.get(form) for group in optimizer.param_groups)


def tune(optimizer: torch.optim.Optimizer, form: str) -> None:
    """Have it update that way from now on; its state is not made yet."""
    for group in optimizer.param_groups:
        for each in FORMS:
            if each in group:
                group[each] = each == form
