"""A user's module with its parameters swapped for fake tensors, and afterwards exactly as it was.

While they are swapped, every ``forward`` reports which layer runs and the training flags are as asked.
Afterwards, also after an exception, each module's attributes, the random state and PyTorch's switches
are as before.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.distributed import (
    WholeParameters,
    forward_inside,
    sharded_parameters,
    without_sharding,
)
from nncost.frontends.torch.step.fake_factory import FakeFactory
from nncost.frontends.torch.step.fake_tensors import Devices, is_fake, parameters_of_fakes
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.step.state.guard import StateGuard
from nncost.frontends.torch.step.state.random_states import random_state_kept
from nncost.frontends.torch.step.state.switches import switches_kept
from nncost.frontends.torch.step.untouched import guard_tensors, release_tensors, tensors_below
from nncost.ir.trace import joined

Wrap = Callable[[nn.Module, str, Any], Any]
"""``wrap(layer, name, forward)`` returns the function that runs in place of a layer's forward."""


def eager() -> AbstractContextManager[Any]:
    """Compiled modules and functions run as they were written; nothing is compiled."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


@contextmanager
def _switch(read: Callable[[], bool], write: Callable[[bool], object], *, on: bool) -> Iterator[None]:
    """One of PyTorch's switches; without ``on`` it is off, and at the end as before."""
    before = read()
    write(before and on)
    try:
        yield
    finally:
        write(before)


@contextmanager
def told_it_is_exported() -> Iterator[None]:
    """Libraries that ask learn that they are traced, and take the course that looks at no values, as torch.export has it."""
    before = torch.compiler._is_compiling_flag
    torch.compiler._is_compiling_flag = True
    try:
        yield
    finally:
        torch.compiler._is_compiling_flag = before


def fused_attention(*, on: bool) -> AbstractContextManager[None]:
    """Multi-head attention's fast path: a single fused operator in inference; without it, layer by layer."""
    return _switch(torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled, on=on)


def unfused_kernels() -> AbstractContextManager[None]:
    """Recurrent layers step by step: on symbolic sizes, the fused kernel would ask for numbers."""
    return _switch(torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled, on=False)


@contextmanager
def quiet() -> Iterator[None]:
    """What a model raises reaches its caller as an exception only, not in PyTorch's log as well."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def layer_names(module: nn.Module) -> dict[nn.Module, str]:
    """The first name of every layer, without the wrapper that ``torch.compile`` adds."""
    names: dict[nn.Module, str] = {}
    waiting = [(module, "")]
    while waiting:
        layer, name = waiting.pop()
        if layer in names:
            continue
        names[layer] = name
        waiting += [
            (child, name if key == "_orig_mod" else joined(name, key))
            for key, child in reversed(layer._modules.items())
            if child is not None
        ]
    return names


@dataclass(slots=True)
class Stored:
    """A parameter or buffer: its name, the original, and its fake tensor once its layer is swapped."""

    name: str
    original: torch.Tensor
    is_parameter: bool
    fake: torch.Tensor | None = None


class _Waiting:
    """Stands for the forward of a layer inside a deferred block. Raise NotEqual if it is called."""

    __slots__ = ("block", "layer", "own")

    def __init__(self, layer: nn.Module, block: nn.Module) -> None:
        self.layer, self.block, self.own = layer, block, vars(layer).get("forward")

    @property
    def __wrapped__(self) -> Any:
        """The forward, for who asks for its signature."""
        return self.own or MethodType(type(self.layer).forward, self.layer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the block in full instead."""
        raise NotEqual(self.block)

    def __getattr__(self, name: str) -> Any:
        """What is asked of the forward."""
        return getattr(self.__wrapped__, name)


class SwappedParameters:
    """A module's parameters and buffers, and the fake tensors that replace them.

    ``training`` sets every layer's flag (None leaves them); ``wrap`` replaces each layer's forward. Tensors
    that layers hold besides parameters and buffers are replaced too; one held twice has one fake tensor. ``guard`` is
    that of an earlier run: what it keeps is as it was then.
    """

    def __init__(
        self,
        module: nn.Module,
        fakes: FakeFactory,
        training: bool | None,
        wrap: Wrap | None,
        guard: StateGuard | None = None,
    ) -> None:
        self.names = layer_names(module)
        self.tensors: dict[str, Stored] = {}
        self._fakes, self._training, self._wrap = fakes, training, wrap
        fakes.whole = sharded_parameters(self.names)
        self._whole = WholeParameters(self.names)
        self._known: dict[int, Stored] = {}
        self.guard = guard or StateGuard(self.names, self._held)
        self._is_kept = guard is not None
        self._deferred: set[nn.Module] = set()
        for layer, path in self.names.items():
            for tensors, is_parameter in ((self._whole.of(layer), True), (dict(layer._buffers), False)):
                for leaf, tensor in tensors.items():
                    if tensor is not None and id(tensor) not in self._known:
                        stored = Stored(joined(path, leaf), tensor, is_parameter)
                        self._known[id(tensor)] = self.tensors[stored.name] = stored

    @contextmanager
    def swapped(self, deferred: Collection[nn.Module], optimizer: Any, *, fused: bool) -> Iterator[None]:
        """Fake tensors in place of the real ones, except inside deferred layers; everything is restored afterwards.

        So is the user's ``optimizer``, whose tensors stay.
        """
        self._deferred = set(deferred)
        beside = StateGuard(self.names, None)
        # The caller may be in inference mode.
        with (
            switches_kept(), random_state_kept(), eager(), fused_attention(on=fused), quiet(),
            torch.inference_mode(mode=False), parameters_of_fakes(),
        ):  # fmt: skip
            try:
                beside.follow(optimizer)
                self._swap_all()
                yield
            finally:
                beside.restore()
                self.guard.restore()

    def follow(self, value: Any) -> Any:
        """Keep an object that the step is given and what it leads to; what to use in its place."""
        return self.guard.follow(value)

    def follow_loss(self, loss: Any) -> list[torch.Tensor]:
        """Keep the loss and what it leads to; the fake tensors that it holds, such as a target in its closure."""
        before = set(self._fakes.captured)
        self.guard.follow(loss)
        self.guard.of_loss |= self._fakes.captured.keys() - before
        return [fake for number, (_, fake) in self._fakes.captured.items() if number in self.guard.of_loss]

    def _swap_all(self) -> None:
        if self._is_kept:
            self.guard.again(self._held)
        for layer in self.names:
            if not self._is_kept:
                self.guard.keep(layer)
            without_sharding(layer)
            self._whole.put(layer)
        for stored in () if self._is_kept else self.tensors.values():
            self.guard.follow_around(stored.original)
        inside, block = None, None
        for layer, name in self.names.items():  # a layer comes before the layers inside it
            if self._training is not None:
                vars(layer)["training"] = self._training
            if inside is not None and name.startswith(inside):
                self._wait(layer, block)
                continue
            self._replace_forward(layer)
            inside = None
            if layer in self._deferred:
                inside, block = f"{name}.", layer
                guard_tensors(layer, layer)
            else:
                self._swap(layer)

    def is_deferred(self, layer: nn.Module) -> bool:
        """Whether the tensors inside a layer are still to be swapped."""
        return layer in self._deferred

    def swap_deferred(self, layer: nn.Module) -> None:
        """Swap the parameters inside a deferred layer, which is about to run."""
        if layer not in self._deferred:
            return
        self._deferred.discard(layer)
        for part in layer.modules():
            release_tensors(part)
            waiting = vars(part).get("forward")
            if type(waiting) is _Waiting:
                if waiting.own is None:
                    del vars(part)["forward"]
                else:
                    vars(part)["forward"] = waiting.own
                self._replace_forward(part)
            self._swap(part)

    def captured(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor of one that reached an operator by another way. Raise NotEqual for a deferred layer's."""
        stored = self._known.get(id(tensor))
        if stored is not None and stored.fake is None:
            raise NotEqual(self._owner(tensor))
        return self._fakes.of_captured(tensor)

    def fakes(self) -> dict[str, torch.Tensor]:
        """The fake tensors that are in place, by name."""
        return {name: stored.fake for name, stored in self.tensors.items() if stored.fake is not None}

    def with_gradient(self) -> dict[str, torch.Tensor]:
        """The fake tensors that hold a gradient, by name."""
        return {name: fake for name, fake in self.fakes().items() if fake.grad is not None}

    def _check_not_deferred(self, name: str) -> None:
        """Raise NotEqual for a tensor of a deferred layer that something else holds."""
        for layer in self._deferred:
            if name.startswith(f"{self.names[layer]}."):
                raise NotEqual(layer)

    def _owner(self, tensor: torch.Tensor) -> nn.Module:
        return next(layer for layer in self._deferred if any(t is tensor for t in tensors_below(layer)))

    def _wait(self, layer: nn.Module, block: Any) -> None:
        """A layer inside a deferred block is not called, nor looked at, before that is."""
        if not isinstance(layer, torch.jit.ScriptModule):
            guard_tensors(layer, block)
            if self._wrap is not None:
                vars(layer)["forward"] = _Waiting(layer, block)

    def _replace_forward(self, layer: nn.Module) -> None:
        if self._wrap is not None and not isinstance(layer, torch.jit.ScriptModule):
            forward = forward_inside(layer) or layer.forward
            vars(layer)["forward"] = self._wrap(layer, self.names[layer], forward)

    def _swap(self, layer: nn.Module) -> None:
        for tensors in (layer._parameters, layer._buffers):
            for leaf, tensor in list(tensors.items()):
                stored = None if tensor is None else self._known.get(id(tensor))
                if stored is None:  # a layer may be held twice
                    continue
                fake = self._fake(stored)
                if isinstance(tensors, dict):
                    dict.__setitem__(tensors, leaf, fake)
                else:
                    with Devices():
                        tensors[leaf] = fake

    def _fake(self, stored: Stored) -> torch.Tensor:
        if stored.fake is None:
            stored.fake = self._fakes.of_stored(stored.original, stored.name, is_parameter=stored.is_parameter)
        return stored.fake

    def _held(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor of one in an attribute or a container of a layer."""
        stored = self._known.get(id(tensor))
        if stored is not None:
            if stored.fake is None and self._deferred:
                self._check_not_deferred(stored.name)
            return self._fake(stored)
        return tensor if is_fake(tensor) else self.captured(tensor)
