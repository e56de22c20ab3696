"""The stage: a user's module with stand-ins for its tensors, and afterwards exactly as it was.

While the stage is up, parameters and buffers are replaced by stand-ins (shapes without storage),
every ``forward`` reports which layer runs, and the training flags are as asked. When it comes
down, by whatever way, each module's attributes, the random state and the modes are as before.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

Convert = Callable[[torch.Tensor, str, bool], torch.Tensor]
"""``convert(tensor, name, learned) → stand-in``."""


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
    """The first name of every module, without the wrapper that ``torch.compile`` adds."""
    return {
        layer: name.replace("_orig_mod.", "").removesuffix("_orig_mod").rstrip(".")
        for name, layer in module.named_modules()
    }


@contextmanager
def staged(
    module: nn.Module, convert: Convert, *, training: bool | None, wrap: Callable[[nn.Module, str, Any], Any] | None
) -> Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """The stage; yields the name of each distinct parameter and buffer with the original and the stand-in.

    ``training`` sets every layer's flag (None leaves them). ``wrap(layer, name, forward)`` returns the
    function that runs in place of a layer's ``forward``.
    """
    names = layer_names(module)
    with ExitStack() as stack:
        stack.enter_context(random_state_kept())
        stack.enter_context(eager())
        stack.enter_context(written_out())
        snapshots = [Snapshot(layer) for layer in names]
        stack.callback(lambda: [snapshot.restore() for snapshot in reversed(snapshots)])
        stand_ins = _swapped(names, convert)
        for layer, name in names.items():
            if training is not None:
                vars(layer)["training"] = training
            if wrap is not None and not isinstance(layer, torch.jit.ScriptModule):
                vars(layer)["forward"] = wrap(layer, name, layer.forward)
        yield stand_ins


def _swapped(names: dict[nn.Module, str], convert: Convert) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Replace parameters and buffers; one that is shared has one stand-in and its first name."""
    known: dict[int, torch.Tensor] = {}
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for layer, path in names.items():
        for tensors, learned in ((layer._parameters, True), (layer._buffers, False)):
            for leaf, tensor in tensors.items():
                if tensor is None:
                    continue
                name = f"{path}.{leaf}" if path else leaf
                if id(tensor) not in known:
                    known[id(tensor)] = convert(tensor, name, learned)
                    found[name] = (tensor, known[id(tensor)])
                tensors[leaf] = known[id(tensor)]  # type: ignore[assignment]
    return found
