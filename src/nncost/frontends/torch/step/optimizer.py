"""Optimizers as PyTorch runs them: by name, by class, or a copy of the user's own."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from nncost.errors import Instead, OptionError
from nncost.frontends.torch.step.distributed import held_as
from nncost.frontends.torch.step.fake_module import Stored
from nncost.frontends.torch.step.fake_tensors import is_fake
from nncost.ir.training.optimizers import LION_BETA_1, LION_BETA_2, OPTIMIZERS, Optimizer
from nncost.names import nearest

LATE_STEP = 1000
"""A step of the middle of a run: optimizers that warm up (RAdam) are past it."""

_REFUSED = {
    "LBFGS": "it runs the model again as often as its line search asks",
}


class Lion(torch.optim.Optimizer):
    """p ← p − η·sign(β₁·m + (1−β₁)·g);  m ← β₂·m + (1−β₂)·g (Chen et al. 2023). PyTorch has none."""

    def __init__(self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (LION_BETA_1, LION_BETA_2)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter."""
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                direction = momentum.mul(first).add_(p.grad, alpha=1 - first).sign_()
                p.add_(direction, alpha=-group["lr"])
                momentum.mul_(second).add_(p.grad, alpha=1 - second)


def _named(optimizer: Optimizer) -> tuple[type[torch.optim.Optimizer], dict[str, Any]] | None:
    """The class of PyTorch that computes the same, and its settings."""
    form = optimizer.torch
    if form is None:
        return None
    return Lion if form.name == "Lion" else getattr(torch.optim, form.name), {
        "lr": optimizer.learning_rate,
        **form.settings,
    }


_NAMED = {name: found for name, optimizer in OPTIMIZERS.items() if (found := _named(optimizer)) is not None}


def named_optimizer(name: str, parameters: list[Any], learning_rate: float) -> torch.optim.Optimizer:
    """Return the optimizer of a name of the table, for all parameters. Raise OptionError if PyTorch has none."""
    if name not in _NAMED:
        raise OptionError(f"PyTorch has no optimizer {name} to run.", hint="nncost train --engine numpy has every one.")
    cls, options = _NAMED[name]
    return cls(parameters, **{**options, "lr": learning_rate})


def optimizer_name(optimizer: Any) -> str:
    """How a report names an optimizer: ``adamw``."""
    if isinstance(optimizer, str):
        return optimizer
    return (optimizer if isinstance(optimizer, type) else type(optimizer)).__name__.lower()


def known_optimizers() -> list[str]:
    """The names accepted: ours, and those of ``torch.optim`` in small letters."""
    return sorted({*_NAMED, *_classes()} - {"optimizer", *(name.lower() for name in _REFUSED)})


def _classes() -> dict[str, type[torch.optim.Optimizer]]:
    """The classes of ``torch.optim`` by their names in small letters."""
    classes = [(name, value) for name, value in vars(torch.optim).items() if isinstance(value, type)]
    return {name.lower(): value for name, value in classes if issubclass(value, torch.optim.Optimizer)}


def optimizer_of_one(optimizer: Any, parameter: torch.Tensor, original: torch.Tensor) -> torch.optim.Optimizer | None:
    """Return an optimizer of one parameter, without state; None if the user's optimizer does not hold the original.

    Raise OptionError with the accepted names.
    """
    if isinstance(optimizer, torch.optim.Optimizer):
        _refuse(type(optimizer).__name__)
        groups = [group for group in optimizer.param_groups if any(p is held_as(original) for p in group["params"])]
        return _plain_loop(_copied(optimizer, [{**groups[0], "params": [parameter]}])) if groups else None
    if isinstance(optimizer, str):
        cls, options = _NAMED.get(optimizer.lower()) or (_classes().get(optimizer.lower()), {})
    else:
        cls, options = optimizer, {}
    if not callable(cls):
        close = nearest(optimizer, known_optimizers()) if isinstance(optimizer, str) else None
        hint = "" if close is None else f"Did you mean {close!r}? "
        raise OptionError(
            f"unknown optimizer {optimizer!r}",
            hint=f"{hint}Accepted: {', '.join(known_optimizers())}, none, a class or an optimizer.",
            instead=None if close is None else Instead(optimizer, close),
        )
    _refuse(getattr(cls, "__name__", ""))
    return _plain_loop(cls([parameter], **options))


def _refuse(name: str) -> None:
    if name in _REFUSED:
        raise OptionError(f"{name} has no fixed cost: {_REFUSED[name]}.", hint="Name another optimizer.")


def _copied(optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """A copy of the user's optimizer with other groups and no state; the user's is not touched.

    It has the attributes of the user's own class. Hooks, and a ``step`` that a learning rate scheduler has wrapped for
    the user's object, stay with that.
    """
    made: torch.optim.Optimizer = object.__new__(type(optimizer))
    memo = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    fake = next((p for group in groups for p in group["params"] if is_fake(p)), None)
    if fake is not None:
        memo |= _fakes_of(optimizer, fake, memo)
    for name, value in vars(optimizer).items():
        if name.endswith("_hooks"):
            vars(made)[name] = type(value)()
        elif name not in ("step", "param_groups", "state"):
            vars(made)[name] = _copied_value(value, memo)
    made.param_groups, made.state = groups, defaultdict(dict)
    return made


def _fakes_of(optimizer: torch.optim.Optimizer, fake: torch.Tensor, known: Container[int]) -> dict[int, torch.Tensor]:
    """Fake tensors, as one that is there, for those that an optimizer's own attributes hold, by identity; numbers keep their value."""
    own = [value for name, value in vars(optimizer).items() if name not in ("param_groups", "state")]
    tensors = [leaf for leaf in tree_leaves(own) if isinstance(leaf, torch.Tensor) and leaf.numel() > 1]
    return {
        id(t): fake.detach().new_empty_strided(t.shape, t.stride(), dtype=t.dtype)
        for t in tensors
        if id(t) not in known
    }


def _copied_value(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # noqa: BLE001 - the user's own class may refuse
        return value


def _plain_loop(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """One parameter after another: the fused and foreach forms do the same arithmetic."""
    if "differentiable" in optimizer.defaults:
        optimizer.defaults = {**optimizer.defaults, "differentiable": False}
    for group in optimizer.param_groups:
        for option in ("foreach", "fused", "capturable", "differentiable"):
            if option in group:
                group[option] = False
    return optimizer


def optimizer_of(optimizer: Any, trained: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.optim.Optimizer | None:
    """One optimizer of real parameters, each with the one it is a copy of; None where it holds none of them.

    Options and groups of a user's optimizer are kept; the user's own is not touched.
    """
    made: torch.optim.Optimizer | None = None
    groups: dict[str, dict[str, Any]] = {}
    for parameter, original in trained:
        alone = optimizer_of_one(optimizer, parameter, original)
        if alone is None:
            continue
        made = made or alone
        group = alone.param_groups[0]
        options = {name: value for name, value in group.items() if name != "params"}
        known = groups.setdefault(repr(sorted(options.items(), key=lambda item: item[0])), {**options, "params": []})
        known["params"].append(parameter)
    if made is not None:
        made.param_groups.clear()
        for group in groups.values():
            made.add_param_group(group)
    return made


def optimizer_of_fakes(optimizer: Any, tensors: Iterable[Stored], *, plain_loop: bool) -> torch.optim.Optimizer:
    """The optimizer of all swapped parameters, without state; ``plain_loop`` leaves out the fused and foreach forms."""
    stored = [s for s in tensors if s.is_parameter and s.fake is not None]
    fakes = {id(s.original): s.fake for s in stored}
    if not isinstance(optimizer, torch.optim.Optimizer):
        made: Any = optimizer_of_one(optimizer, stored[0].fake, stored[0].original)
        made.param_groups[0]["params"] = list(fakes.values())
        return made
    _refuse(type(optimizer).__name__)
    groups = [
        {**group, "params": [fakes[id(p)] for p in group["params"] if id(p) in fakes]}
        for group in optimizer.param_groups
    ]
    return _plain_loop(_copied(optimizer, groups)) if plain_loop else _copied(optimizer, groups)


def make_state(optimizer: torch.optim.Optimizer, like: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """The state of the middle of a run: a first step of one parameter of each shape and group makes it.

    The others get tensors ``like`` those.
    """
    groups = [list(group["params"]) for group in optimizer.param_groups]
    first: dict[Any, torch.Tensor] = {}
    for number, parameters in enumerate(groups):
        for p in parameters:
            if p.grad is not None:
                first.setdefault((number, p.shape, p.stride(), p.dtype, p.grad.stride()), p)
        optimizer.param_groups[number]["params"] = [p for key, p in first.items() if key[0] == number]
    optimizer.step()
    for number, parameters in enumerate(groups):
        optimizer.param_groups[number]["params"] = parameters
        for p in parameters:
            if p.grad is None:
                continue
            model = first[number, p.shape, p.stride(), p.dtype, p.grad.stride()]
            if model is not p and model in optimizer.state:
                state = optimizer.state[model]
                optimizer.state[p] = {n: like(v) if isinstance(v, torch.Tensor) else v for n, v in state.items()}
    for state in optimizer.state.values():
        late(state)


def owners_of(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Stored]) -> dict[int, str]:
    """The layer of every parameter, gradient and state tensor, by identity."""
    found: dict[int, str] = {}
    for name, stored in tensors.items():
        if stored.fake is None:
            continue
        state = optimizer.state.get(stored.fake, {})
        owned = (stored.fake, stored.fake.grad, *state.values())
        found.update((id(value), name.rpartition(".")[0]) for value in owned if isinstance(value, torch.Tensor))
    return found


def late(state: dict[str, Any]) -> None:
    """Set a parameter's state to one of the middle of a run."""
    step = state.get("step")
    if isinstance(step, torch.Tensor) and step.numel() == 1:
        step.fill_(LATE_STEP)
    elif isinstance(step, (int, float)):
        state["step"] = LATE_STEP
