"""The swapped: a user's module with stand-ins for its tensors, and afterwards exactly as it was.

While the swapped is up, parameters and buffers are replaced by stand-ins (shapes without storage),
every ``forward`` reports which layer runs, and the training flags are as asked. When it comes
down, by whatever way, each module's attributes, the random state and the modes are as before.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from nncost.frontends.torch.step.state_guard import Replace, StateGuard

Convert = Callable[[torch.Tensor, str, bool], torch.Tensor]
"""``convert(tensor, name, learned) → stand-in``."""
Wrap = Callable[[nn.Module, str, Any], Any]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Python's, NumPy's and PyTorch's random state, put back at the end."""
    ours = random.getstate()
    theirs = torch.random.get_rng_state()
    numpy = sys.modules.get("numpy.random")
    numpys = numpy.get_state() if numpy is not None else None
    try:
        yield
    finally:
        random.setstate(ours)
        torch.random.set_rng_state(theirs)
        if numpy is not None:
            numpy.set_state(numpys)


@contextmanager
def eager() -> Iterator[None]:
    """Compiled modules and functions run as they were written; nothing is compiled."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Multi-head attention runs as its layers say, not as the single operator inference may choose."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def layer_names(module: nn.Module) -> dict[nn.Module, str]:
    """The first name of every layer, without the wrapper that ``torch.compile`` adds."""
    names: dict[nn.Module, str] = {}
    waiting = [(module, "")]
    while waiting:
        layer, name = waiting.pop()
        if layer in names:
            continue
        names[layer] = name
        prefix = f"{name}." if name else ""
        waiting += [
            (child, name if key == "_orig_mod" else prefix + key)
            for key, child in reversed(layer._modules.items())
            if child is not None
        ]
    return names


@dataclass(slots=True)
class Stored:
    """A parameter (``learned``) or buffer: the original, and its stand-in once its layer is with_swapped."""

    original: torch.Tensor
    learned: bool
    fake: torch.Tensor | None = None


class SwappedParameters:
    """The module's layers with stand-ins; layers inside ``deferred`` ones only when :meth:`prepare` is called.

    ``training`` sets every layer's flag (None leaves them). ``wrap(layer, name, forward)`` returns the
    function that runs in place of a layer's ``forward``. ``plain`` gives the stand-ins of tensors that
    layers hold besides parameters and buffers; a parameter held twice has one stand-in.
    """

    def __init__(
        self,
        module: nn.Module,
        convert: Convert,
        training: bool | None,
        wrap: Wrap | None,
        plain: Replace | None = None,
    ) -> None:
        self.names = layer_names(module)
        self.tensors: dict[str, Stored] = {}
        self._convert, self._training, self._wrap = convert, training, wrap
        self._known: dict[int, Stored] = {}
        self._plain = plain
        self._guard = StateGuard(self.names, None if plain is None else self._held)
        self._deferred: set[nn.Module] = set()
        self._list()

    def _list(self) -> None:
        """Every parameter and buffer under its first name."""
        for layer, path in self.names.items():
            for tensors, learned in ((layer._parameters, True), (layer._buffers, False)):
                for leaf, tensor in tensors.items():
                    if tensor is not None and id(tensor) not in self._known:
                        stored = self._known[id(tensor)] = Stored(tensor, learned)
                        self.tensors[f"{path}.{leaf}" if path else leaf] = stored

    def swap(self, deferred: Collection[nn.Module]) -> None:
        """Put the stand-ins in place, except inside deferred layers."""
        by_name = {id(stored.original): name for name, stored in self.tensors.items()}
        self._name_of = by_name
        self._deferred = set(deferred)
        inside = None
        for layer, name in self.names.items():  # a layer comes before the layers inside it
            if inside is not None and name.startswith(inside):
                continue
            inside = None
            self._replace_forward(layer)
            if layer in self._deferred:
                inside = f"{name}."
            else:
                self._swap(layer)

    def prepare(self, layer: nn.Module) -> None:
        """SwappedParameters a deferred layer, which is about to run."""
        if layer not in self._deferred:
            return
        self._deferred.discard(layer)
        for part in layer.modules():
            if part is not layer:
                self._replace_forward(part)
            self._swap(part)

    def is_deferred(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor belongs to a layer that is not with_swapped."""
        stored = self._known.get(id(tensor))
        return stored is not None and stored.fake is None

    def owner(self, tensor: torch.Tensor) -> nn.Module:
        """The deferred layer a tensor belongs to."""
        return next(layer for layer in self._deferred for t in (*layer.parameters(), *layer.buffers()) if t is tensor)

    def restore(self) -> None:
        """Everything as it was."""
        self._guard.restore()

    def _replace_forward(self, layer: nn.Module) -> None:
        self._guard.keep(layer)
        if self._training is not None:
            vars(layer)["training"] = self._training
        if self._wrap is not None and not isinstance(layer, torch.jit.ScriptModule):
            vars(layer)["forward"] = self._wrap(layer, self.names[layer], layer.forward)

    def _swap(self, layer: nn.Module) -> None:
        for tensors in (layer._parameters, layer._buffers):
            for leaf, tensor in tensors.items():
                if tensor is None:
                    continue
                tensors[leaf] = self._faked(self._known[id(tensor)])

    def _faked(self, stored: Stored) -> torch.Tensor:
        if stored.fake is None:
            stored.fake = self._convert(stored.original, self._name_of[id(stored.original)], stored.learned)
        return stored.fake

    def _held(self, tensor: torch.Tensor) -> torch.Tensor:
        """The stand-in of a tensor in an attribute or a container of a layer."""
        stored = self._known.get(id(tensor))
        if stored is not None:
            return self._faked(stored)
        return tensor if self._plain is None or isinstance(tensor, FakeTensor) else self._plain(tensor)


@contextmanager
def swapped_in(swapped: SwappedParameters, deferred: Collection[nn.Module] = ()) -> Iterator[SwappedParameters]:
    """The swapped with its stand-ins in place; taken down by whatever way."""
    with ExitStack() as stack:
        stack.enter_context(random_state_kept())
        stack.enter_context(eager())
        stack.enter_context(unfused_attention())
        stack.enter_context(torch.inference_mode(mode=False))  # the caller may be inside of it
        stack.callback(swapped.restore)
        swapped.swap(deferred)
        yield swapped


@contextmanager
def with_swapped(
    module: nn.Module,
    convert: Convert,
    *,
    training: bool | None,
    wrap: Wrap | None = None,
    plain: Replace | None = None,
) -> Iterator[SwappedParameters]:
    """A swapped for the whole module, swapped_in."""
    with swapped_in(SwappedParameters(module, convert, training, wrap, plain)) as swapped:
        yield swapped
