"""The stage: a user's module with stand-ins for its tensors, and afterwards exactly as it was.

While the stage is up, parameters and buffers are replaced by stand-ins (shapes without storage),
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

Convert = Callable[[torch.Tensor, str, bool], torch.Tensor]
"""``convert(tensor, name, learned) → stand-in``."""
Wrap = Callable[[nn.Module, str, Any], Any]


class Snapshot:
    """A module's attributes, with the plain containers among them, to be put back in place."""

    def __init__(self, module: nn.Module) -> None:
        self._attributes = vars(module)
        self._saved = dict(self._attributes)
        self._contents = [
            (value, value.copy()) for value in self._saved.values() if isinstance(value, (dict, list, set)) and value
        ]
        self._empty = [value for value in self._saved.values() if isinstance(value, (dict, list, set)) and not value]

    def restore(self) -> None:
        """Put everything back, in the same objects and the same order."""
        self._attributes.clear()
        self._attributes.update(self._saved)
        for container, content in self._contents:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        for container in self._empty:
            if container:
                container.clear()


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
def written_out() -> Iterator[None]:
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
    """A parameter (``learned``) or buffer: the original, and its stand-in once its layer is staged."""

    original: torch.Tensor
    learned: bool
    stand_in: torch.Tensor | None = None


class Stage:
    """The module's layers with stand-ins; layers inside ``deferred`` ones only when :meth:`prepare` is called.

    ``training`` sets every layer's flag (None leaves them). ``wrap(layer, name, forward)`` returns the
    function that runs in place of a layer's ``forward``.
    """

    def __init__(self, module: nn.Module, convert: Convert, training: bool | None, wrap: Wrap | None) -> None:
        self.names = layer_names(module)
        self.tensors: dict[str, Stored] = {}
        self._convert, self._training, self._wrap = convert, training, wrap
        self._known: dict[int, Stored] = {}
        self._snapshots: list[Snapshot] = []
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

    def raise_(self, deferred: Collection[nn.Module]) -> None:
        """Put the stand-ins in place, except inside deferred layers."""
        by_name = {id(stored.original): name for name, stored in self.tensors.items()}
        self._name_of = by_name
        self._deferred = set(deferred)
        inside = {part for layer in deferred for part in layer.modules()} if deferred else set()
        for layer in self.names:
            if layer in self._deferred:
                self._replace_forward(layer)
            elif layer not in inside:
                self._replace_forward(layer)
                self._swap(layer)

    def prepare(self, layer: nn.Module) -> None:
        """Stage a deferred layer, which is about to run."""
        if layer not in self._deferred:
            return
        self._deferred.discard(layer)
        for part in layer.modules():
            if part is not layer:
                self._replace_forward(part)
            self._swap(part)

    def is_deferred(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor belongs to a layer that is not staged."""
        stored = self._known.get(id(tensor))
        return stored is not None and stored.stand_in is None

    def owner(self, tensor: torch.Tensor) -> nn.Module:
        """The deferred layer a tensor belongs to."""
        return next(layer for layer in self._deferred for t in (*layer.parameters(), *layer.buffers()) if t is tensor)

    def restore(self) -> None:
        """Everything as it was."""
        for snapshot in reversed(self._snapshots):
            snapshot.restore()

    def _replace_forward(self, layer: nn.Module) -> None:
        self._snapshots.append(Snapshot(layer))
        if self._training is not None:
            vars(layer)["training"] = self._training
        if self._wrap is not None and not isinstance(layer, torch.jit.ScriptModule):
            vars(layer)["forward"] = self._wrap(layer, self.names[layer], layer.forward)

    def _swap(self, layer: nn.Module) -> None:
        for tensors in (layer._parameters, layer._buffers):
            for leaf, tensor in tensors.items():
                if tensor is None:
                    continue
                stored = self._known[id(tensor)]
                if stored.stand_in is None:
                    stored.stand_in = self._convert(tensor, self._name_of[id(tensor)], stored.learned)
                tensors[leaf] = stored.stand_in  # type: ignore[assignment]


@contextmanager
def raised(stage: Stage, deferred: Collection[nn.Module] = ()) -> Iterator[Stage]:
    """The stage with its stand-ins in place; taken down by whatever way."""
    with ExitStack() as stack:
        stack.enter_context(random_state_kept())
        stack.enter_context(eager())
        stack.enter_context(written_out())
        stack.callback(stage.restore)
        stage.raise_(deferred)
        yield stage


@contextmanager
def staged(module: nn.Module, convert: Convert, *, training: bool | None, wrap: Wrap | None = None) -> Iterator[Stage]:
    """A stage for the whole module, raised."""
    with raised(Stage(module, convert, training, wrap)) as stage:
        yield stage
