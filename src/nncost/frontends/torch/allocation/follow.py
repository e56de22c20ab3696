"""A whole step followed: forward, loss, backward, the optimizer's step, gradients set to None."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from nncost.dims import Dim
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.allocation.allocation_mode import Follower
from nncost.frontends.torch.allocation.intercepts import calls_noted
from nncost.frontends.torch.allocation.known_results import Known
from nncost.frontends.torch.allocation.storages import storage_of
from nncost.frontends.torch.inputs import converted
from nncost.frontends.torch.step.attribution import Attribution
from nncost.frontends.torch.step.fake_inputs import FakeFactory
from nncost.frontends.torch.step.fake_module import SwappedParameters, swapped_in
from nncost.frontends.torch.step.loss import LOSS_PATH, loss_value
from nncost.frontends.torch.step.named_losses import empty_target
from nncost.frontends.torch.step.optimizer import late, maker
from nncost.frontends.torch.tracing.trace import (
    _flag,
    _loss_of,
    _modes,
    _plain_kernels,
    _quiet,
    symbols_of,
    wants_backward,
)
from nncost.ir.training.losses import NO_LOSS


@dataclass(slots=True)
class Followed:
    """What one run left: events, where the forward pass ends among them, and what is there besides, in bytes.

    ``unknown`` are gradients that run another formula where values are looked at.
    """

    events: list[Any]
    forward_ends: int
    gradients: set[int] = field(default_factory=set)
    input_bytes: Dim = 0
    state_bytes: int = 0
    unknown: tuple[str, ...] = ()


def follow_step(module: nn.Module, given: Inputs, options: LoadOptions, known: Known | None = None) -> Followed:
    """Follow the memory of a step of the module on stand-ins; the module is as before afterwards.

    ``known`` are calls that were met while its operations were counted.
    """
    sizes = symbols_of(module, given, options)
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=None if sizes is None else sizes.environment)
    trains = wants_backward(options)
    fakes = FakeFactory(mode, options, trains, sizes)
    follower = Follower(None if sizes else fakes.fast, fakes.of_captured, None if sizes else known, sizes)
    swapped = SwappedParameters(
        module, fakes.of_tensor, _flag(module, options), _placing(follower.attribution), fakes.of_captured
    )
    fakes.swapped = swapped
    fast_path = torch.backends.mha.get_fastpath_enabled()
    with swapped_in(swapped), _quiet(), _plain_kernels(sizes):
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for stored in swapped.tensors.values():
            if stored.fake is not None and storage_of(stored.fake) is not None:
                follower.storages.outside(storage_of(stored.fake))
        arguments = converted(given, module, options.batch, fakes.of_shape, fakes.of_input)
        for leaf in tree_leaves((arguments.args, dict(arguments.kwargs))):
            if isinstance(leaf, torch.Tensor) and storage_of(leaf) is not None:
                follower.outside(leaf)
        with torch.set_grad_enabled(trains):
            followed = _step(module, arguments, options, swapped, follower, mode)
        followed.events = list(followed.events)
        followed.input_bytes = follower.outside_bytes
        followed.unknown = tuple(follower.otherwise)
        if sizes is not None:
            sizes.check()
    return followed


def _step(
    module: nn.Module,
    arguments: Inputs,
    options: LoadOptions,
    swapped: SwappedParameters,
    follower: Follower,
    mode: Any,
) -> Followed:
    storages, attribution = follower.storages, follower.attribution
    with _modes(mode), calls_noted(follower.adds_bias, follower.made), follower:
        output = module(*arguments.args, **arguments.kwargs)
        followed = Followed(storages.events, len(storages.events))
        loss = _loss_of(output, options)
        if loss == NO_LOSS:
            return followed
        attribution.path, attribution.phase = LOSS_PATH, "loss"
        value = loss_value(output, loss, lambda name, tensor: follower.outside(empty_target(name, tensor)))
        attribution.path, attribution.phase, attribution.in_backward = "", "backward", True
        try:
            value.backward()
        finally:
            attribution.in_backward = False
    trained = [s.fake for s in swapped.tensors.values() if s.fake is not None and s.fake.grad is not None]
    followed.gradients = {n for t in trained if (n := storages.number(storage_of(t.grad))) is not None}
    optimizer = options.steps.optimizer
    if optimizer not in (None, "none") and trained:
        followed.state_bytes = _update(optimizer, swapped, follower)
    for tensor in trained:
        tensor.grad = None
    return followed


def _update(optimizer: Any, swapped: SwappedParameters, follower: Follower) -> int:
    """A late step of the optimizer; the bytes of its state."""
    storages, attribution = follower.storages, follower.attribution
    whole = _optimizer(optimizer, swapped)
    follower.of_captured = None
    events, before = storages.events, storages.alive()
    storages.events = []
    with follower:
        _make_state(whole, follower.like)
    for state in whole.state.values():
        late(state)
    storages.now_outside(but=before)
    storages.events = events
    follower.owners = _owners(whole, swapped)
    attribution.path, attribution.phase = "", "update"
    with follower:
        whole.step()
    seen = {}
    for leaf in tree_leaves([dict(state) for state in whole.state.values()]):
        if isinstance(leaf, torch.Tensor):
            seen[storage_of(leaf)._cdata] = storage_of(leaf).nbytes()
    return sum(seen.values())


def _make_state(optimizer: torch.optim.Optimizer, like: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """The state that a first step makes: one parameter of each shape and group takes it, the others get the like."""
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


def _owners(optimizer: torch.optim.Optimizer, swapped: SwappedParameters) -> dict[int, str]:
    """The layer of every parameter, gradient and state tensor, by identity."""
    found: dict[int, str] = {}
    for name, stored in swapped.tensors.items():
        layer = name.rpartition(".")[0]
        for tensor in (stored.fake, None if stored.fake is None else stored.fake.grad):
            found[id(tensor)] = layer
        state = optimizer.state.get(stored.fake, {}) if stored.fake is not None else {}
        found.update((id(value), layer) for value in state.values() if isinstance(value, torch.Tensor))
    return found


def _optimizer(optimizer: Any, swapped: SwappedParameters) -> torch.optim.Optimizer:
    """The optimizer with stand-ins in place of the parameters, and without state."""
    learned = {id(s.original): s.fake for s in swapped.tensors.values() if s.learned and s.fake is not None}
    if not isinstance(optimizer, torch.optim.Optimizer):
        first = next(s for s in swapped.tensors.values() if s.learned)
        made = maker(optimizer)(first.fake, first.original)
        made.param_groups[0]["params"] = list(learned.values())
        return made
    alone = copy.copy(optimizer)
    alone.param_groups = [
        {**group, "params": [learned[id(p)] for p in group["params"] if id(p) in learned]}
        for group in optimizer.param_groups
    ]
    alone.state = defaultdict(dict)
    return alone


def _placing(attribution: Attribution) -> Any:
    """Wraps each layer's forward so that its path is known while it runs."""

    def wrap(layer: nn.Module, name: str, forward: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            outer, attribution.path = attribution.path, name
            attribution.depth += 1
            try:
                return forward(*args, **kwargs)
            finally:
                attribution.path = outer
                attribution.depth -= 1

        return run

    return wrap
