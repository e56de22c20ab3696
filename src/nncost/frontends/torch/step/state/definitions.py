"""Classes, the files that define them and the global names that functions use: what a run changes of them is put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dis import get_instructions
from functools import _lru_cache_wrapper, cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import is_fake

Wait = Callable[[Any, Callable[[Any], None]], None]
"""``wait(value, write)`` has a value followed; ``write`` puts another in its place."""
_LIBRARIES = ("torch", "builtins", "typing", "collections", "abc", "nncost", "enum", "functools")
"""Libraries whose classes a forward pass does not change."""
_IMPORTED = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
"""What an import binds to a name: it stays."""
_CONTAINERS = frozenset({dict, list, set})
_OF_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "STORE_NAME", "DELETE_GLOBAL"})
_OF_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})
_ABSENT = object()


class Definitions:
    """Classes and files, each saved once.

    Attributes of classes are restored. Of the user's own files all global data are restored, and what functions use of
    them is followed; of a library's files only names that became fake tensors, since libraries note globally what they have loaded. Caches
    of functions (``functools.lru_cache``) that the run has filled are emptied.
    """

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._done: set[type] = set()
        self._classes: dict[type, dict[str, Any]] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._caches: dict[int, tuple[Any, int]] = {}

    def keep_class(self, cls: type) -> None:
        """Keep the attributes of a class and of those it is made of, and the files that define them."""
        if cls in self._done:
            return
        for base in cls.__mro__:
            if base in self._done:
                continue
            self._done.add(base)
            if base.__module__.partition(".")[0] not in _LIBRARIES:
                self._keep_class(base)

    def _keep_class(self, cls: type) -> None:
        names = self._classes[cls] = dict(vars(cls))
        is_own = self.keep_file(cls.__module__)
        for name, value in names.items():
            function = _function(value)
            self._note_cache(function)
            if type(function) is FunctionType:
                if is_own or function.__closure__:
                    self._wait(function, _stays)
            elif not name.startswith("__") and not isinstance(value, type):
                self._wait(value, _stays)

    def keep_names_of(self, function: FunctionType) -> None:
        """Keep the file of a function, and what the global names lead to that a function of the user's uses."""
        self._note_cache(function)
        if self.keep_file(function.__module__):
            names, attributes = names_in(function.__code__)
            for name in names:
                self._keep_name(function.__globals__, name, attributes)

    def _keep_name(self, names: dict[str, Any], name: str, asked: Iterable[str]) -> None:
        value = names.get(name, _ABSENT)
        if not isinstance(value, ModuleType):
            if value is not _ABSENT:
                self._wait(value, partial(names.__setitem__, name))
        elif self.keep_file(value.__name__):
            for inner in asked:
                if not isinstance(vars(value).get(inner), ModuleType):
                    self._keep_name(vars(value), inner, ())

    def keep_file(self, name: str | None) -> bool:
        """Keep the global names of a file; whether it is one of the user's own."""
        file = sys.modules.get(name or "")
        if file is None or name is None or name.partition(".")[0] in _LIBRARIES or _is_of_python(name):
            return False
        is_own = is_of_user(file)
        if name not in self._files:
            names = self._files[name] = dict(vars(file))
            for value in names.values():
                self._note_cache(value)
                if not is_own and type(value) in _CONTAINERS:
                    self._wait(value, _stays)
        return is_own

    def _note_cache(self, value: Any) -> None:
        for function in _functions(value):
            if type(function) is _lru_cache_wrapper:
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
            _restore_file(sys.modules.get(file), names)
        for function, misses in self._caches.values():
            if function.cache_info().misses != misses:
                function.cache_clear()


def _is_of_python(name: str) -> bool:
    """Whether a file is of Python's own library, whose global tables are large and not a model's."""
    return name.partition(".")[0] in sys.stdlib_module_names and name != "__main__"


def is_of_user(file: ModuleType) -> bool:
    """Whether a Python module is the user's own, not an installed library's."""
    path = getattr(file, "__file__", None)
    if path is None:
        return file.__name__ == "__main__"
    top = file.__name__.partition(".")[0]
    return top not in sys.stdlib_module_names and "site-packages" not in path and "dist-packages" not in path


def _restore_file(file: ModuleType | None, names: dict[str, Any]) -> None:
    if file is None:
        return
    current, is_own = vars(file), is_of_user(file)
    for name in list(_changed(names, dict(current))):
        now = current.get(name)
        became_fake = isinstance(now, torch.Tensor) and is_fake(now)
        if not became_fake and (not is_own or isinstance(now, _IMPORTED)):
            continue
        current.pop(name, None)
        if name in names:
            current[name] = names[name]


@cache
def names_in(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The global names in a function's code and in that of the functions inside it, and the names of attributes."""
    found: tuple[dict[str, None], dict[str, None]] = {}, {}
    for instruction in get_instructions(code):
        if instruction.opname in _OF_GLOBALS:
            found[0][instruction.argval] = None
        elif instruction.opname in _OF_ATTRIBUTES:
            found[1][instruction.argval] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for names, inner in zip(found, names_in(constant), strict=True):
                names.update(dict.fromkeys(inner))
    return tuple(found[0]), tuple(found[1])


def _stays(other: Any) -> None:
    """What is changed inside, never replaced."""


def _function(value: Any) -> Any:
    """The function inside a method's wrapper; any other value as it is."""
    return value.__func__ if isinstance(value, (staticmethod, classmethod)) else value


def _functions(value: Any) -> Iterator[Any]:
    """A function, the one inside a method's wrapper, and those that a decorator's closure holds."""
    inner = _function(value)
    yield inner
    if type(inner) is FunctionType:
        for cell in inner.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a cell that is still empty
                continue


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Names that stand for another object than before, and new ones; not what Python keeps for itself."""
    for name in {**before, **after}:
        if before.get(name, _ABSENT) is not after.get(name, _ABSENT) and not name.startswith(("__", "_abc_")):
            yield name
