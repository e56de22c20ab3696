"""What a forward pass may write outside its modules: attributes of their classes, caches in their files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

_LIBRARIES = ("torch", "builtins", "typing", "collections", "abc")


class DefinitionGuard:
    """The classes of modules and the files these stand in, each kept once.

    Attributes of classes are put back; in files, tensors in place of other values, and caches of
    functions (``functools.lru_cache``) that a run has filled are emptied. ``walk`` keeps containers.
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
                if isinstance(current.get(name), FakeTensor):
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
