"""Save and restore what a run may change: attributes of modules, the objects below them, their classes and caches."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Container, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_tensors import is_fake

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
_LIBRARIES = ("torch", "builtins", "typing", "collections", "abc")
"""Libraries whose classes a forward pass does not change."""
Replace = Callable[[torch.Tensor], torch.Tensor]


class StateGuard:
    """The attributes of modules and whatever they lead to, each saved once and restored in place.

    Modules among ``known`` are kept one by one when their parameters are swapped, so they are not followed.
    ``replace`` returns the tensor to use in place of one that is neither parameter nor buffer.
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


class DefinitionGuard:
    """The classes of modules and the files that define them, each saved once.

    Attributes of classes are restored; so are names of a file that became fake tensors, and caches of
    functions (``functools.lru_cache``) that the run has filled are emptied. ``walk`` saves containers.
    """

    def __init__(self, walk: Callable[[Any], None]) -> None:
        self._walk = walk
        self._classes: dict[type, dict[str, Any]] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._caches: dict[int, tuple[Any, int]] = {}

    def keep(self, module: nn.Module) -> None:
        """Keep what surrounds a module."""
        for cls in type(module).__mro__:
            if cls in self._classes or cls.__module__.partition(".")[0] in _LIBRARIES:
                continue
            self._classes[cls] = dict(vars(cls))
            self._keep_values(self._classes[cls])
            file = sys.modules.get(cls.__module__)
            if file is not None and cls.__module__ not in self._files:
                self._files[cls.__module__] = dict(vars(file))
                self._keep_values(self._files[cls.__module__])

    def _keep_values(self, names: dict[str, Any]) -> None:
        for name, value in names.items():
            if isinstance(value, (dict, list, set)) and not name.startswith("__"):
                self._walk(value)
            for function in _functions(value):
                if hasattr(function, "cache_clear") and hasattr(function, "cache_info"):
                    self._caches[id(function)] = (function, function.cache_info().misses)

    def restore(self) -> None:
        """Everything as it was."""
        for cls, names in self._classes.items():
            for name in _changed(names, dict(vars(cls))):
                if name in names:
                    setattr(cls, name, names[name])
                else:
                    delattr(cls, name)
        for file, names in self._files.items():
            current = vars(sys.modules[file])
            for name in _changed(names, dict(current)):
                if isinstance(value := current.get(name), torch.Tensor) and is_fake(value):
                    current.pop(name)
                    current.update({name: names[name]} if name in names else {})
        for function, misses in self._caches.values():
            if function.cache_info().misses != misses:
                function.cache_clear()


def _functions(value: Any) -> Iterator[Any]:
    """A function, the one inside a method's wrapper, and those that a decorator's closure holds."""
    inner = getattr(value, "__func__", value)
    yield inner
    for cell in getattr(inner, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a cell that is still empty
            continue


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Names that stand for another object than before, and new ones; not what Python keeps for itself."""
    for name in {**before, **after}:
        if before.get(name, torch) is not after.get(name, torch) and not name.startswith(("__", "_abc_")):
            yield name
