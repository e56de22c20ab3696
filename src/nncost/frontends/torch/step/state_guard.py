"""What modules hold besides parameters: attributes, containers and plain objects below them, caches around them; to be put back."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Container
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.process_guard import DefinitionGuard

DEPTH = 6
"""How deep containers and objects are followed below a module's own attributes."""
LONG = 10_000
"""Longer containers are put back as well, but what is in them is not followed."""
_ATOMS = frozenset(
    {bool, int, float, complex, str, bytes, type(None), type, FunctionType, BuiltinFunctionType, MethodType, ModuleType,
     frozenset, torch.dtype, torch.device, torch.Size}
)  # fmt: skip
_TENSORS = ("_parameters", "_buffers", "_modules")
"""Attributes of every module whose content is known already."""
_CONTAINERS = frozenset({dict, OrderedDict, defaultdict, Counter, list, set, deque})
"""Those that can be emptied and filled again; classes made of them may have other ideas."""
Replace = Callable[[torch.Tensor], torch.Tensor]


class StateGuard:
    """The attributes of modules and whatever they lead to, each kept once and put back in place.

    Modules among ``known`` are kept one by one when they are with_swapped, so they are not followed.
    ``replace`` gives a tensor to use in place of one that is no parameter and no buffer.
    """

    def __init__(self, known: Container[nn.Module], replace: Replace | None = None) -> None:
        self._known = known
        self.replace = replace
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._seen: dict[int, Any] = {}
        self._definitions = DefinitionGuard(lambda container: self._walk(container, 2))

    def keep(self, module: nn.Module) -> None:
        """Keep a module's attributes and what they lead to."""
        attributes = vars(module)
        if id(attributes) in self._kept:
            return
        self._definitions.keep(module)
        self._keep(attributes)
        for name, value in list(attributes.items()):
            if name in _TENSORS:
                if type(value) in _CONTAINERS:
                    self._keep(value)
            else:
                self._follow(attributes, name, value, DEPTH)

    def restore(self) -> None:
        """Put everything back, in the same objects and the same order."""
        for container, content in self._kept.values():
            if not _same(container, content):
                container.clear()
                (container.extend if isinstance(container, (list, deque)) else container.update)(content)
        self._definitions.restore()

    def _keep(self, container: Any) -> None:
        self._kept[id(container)] = (container, container.copy())

    def _follow(self, container: Any, key: Any, value: Any, depth: int) -> None:
        """Keep what a value leads to; ``container[key]`` is where it stands."""
        if type(value) in _ATOMS or depth == 0:
            return
        if isinstance(value, torch.Tensor):
            if self.replace is not None:
                container[key] = self.replace(value)
        elif isinstance(value, tuple):
            if self.replace is not None and type(value) is tuple and any(isinstance(v, torch.Tensor) for v in value):
                container[key] = tuple(self.replace(v) if isinstance(v, torch.Tensor) else v for v in value)
        elif type(value) in _CONTAINERS:
            self._walk(value, depth)
        elif id(value) not in self._seen and not (isinstance(value, nn.Module) and value in self._known):
            self._seen[id(value)] = value
            attributes = getattr(value, "__dict__", None)
            if type(attributes) is dict and not _is_library(type(value)):
                self._walk(attributes, depth)

    def _walk(self, container: Any, depth: int) -> None:
        if id(container) in self._kept or type(container) not in _CONTAINERS:
            return
        self._keep(container)
        if len(container) > LONG or isinstance(container, set):
            return
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(items):
            if type(value) not in _ATOMS:
                self._follow(container, key, value, depth - 1)


def _same(container: Any, content: Any) -> bool:
    """Whether a container holds the very same objects in the same order."""
    if len(container) != len(content):
        return False
    if isinstance(container, dict):
        pairs = zip(container.items(), content.items(), strict=True)
        return all(name is before and value is old for (name, value), (before, old) in pairs)
    if isinstance(container, set):
        return bool(container == content)
    return all(value is old for value, old in zip(container, content, strict=True))


def _is_library(kind: type) -> bool:
    """Whether objects of a class are PyTorch's own and not changed by a forward pass."""
    return kind.__module__.partition(".")[0] in ("torch", "sympy", "_thread", "threading") and not issubclass(
        kind, nn.Module
    )
