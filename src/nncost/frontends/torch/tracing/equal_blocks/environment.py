"""What a block reads besides its arguments, parameters and constant attributes, and whether that has changed.

While the first block of a kind runs, the functions that run are noted. What they can reach is told from their code:
global names, attributes of classes and of Python modules, variables of closures. Its state is compared before and
after, and before each replay. A block that reads what cannot be compared (a context variable, the time, a source of
random numbers, an object of C code) runs in full each time.
"""

from __future__ import annotations

import logging
import random
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from enum import Enum
from functools import cache, partial
from operator import is_
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.known_values import reads
from nncost.frontends.torch.step.profiler import profiled
from nncost.frontends.torch.step.state.definitions import names_in
from nncost.frontends.torch.step.state.kept import attributes_of, slots_of
from nncost.frontends.torch.tracing.equal_blocks.equality import objects_of

_PACKAGE = str(Path(__file__).parents[3])
_TORCH = str(Path(torch.__file__).parent)
_LIBRARY = str(Path(logging.__file__).parents[1])
"""PyTorch, this package and Python's library: what they read is not a model's state, but for what is listed below."""
_READS_THE_WORLD = frozenset({"time", "random", "secrets", "uuid", "datetime", "socket", "subprocess", "tempfile"})
"""Parts of Python's library whose functions return something else each time."""
_CONSTANT = (
    bool, int, float, complex, str, bytes, type(None), BuiltinFunctionType, WrapperDescriptorType, MethodDescriptorType,
    torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, range, slice, re.Pattern, CodeType,
    type(Ellipsis), type(NotImplemented), logging.Logger, threading.local, Enum, frozenset, property, staticmethod,
    classmethod, GetSetDescriptorType, MemberDescriptorType, type(threading.Lock()), type(threading.RLock()),
    torch.finfo, torch.iinfo, torch._ops.OpOverload, torch._ops.OpOverloadPacket, torch._ops._OpNamespace, Path,
)  # fmt: skip
_DESCRIPTORS = (property, staticmethod, classmethod, GetSetDescriptorType, MemberDescriptorType)
_MOST_VALUES = 4_000
"""Values that are compared at most; a block that reads more runs in full."""
_UNKNOWN = object()


class Unprovable(Exception):  # noqa: N818 - a signal, not an error
    """What a block reads cannot be compared."""


class Watch:
    """Notes the functions that run meanwhile: ``codes`` with their global names, and calls that read the world."""

    def __init__(self) -> None:
        self.codes: dict[CodeType, dict[str, Any]] = {}
        self.reads_the_world = False

    def watching(self) -> AbstractContextManager[None]:
        """Note functions meanwhile."""
        return profiled(self._event)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code not in self.codes:
                self.codes[code] = frame.f_globals
        elif event == "c_call" and not _is_trusted(frame.f_code.co_filename):
            owner = getattr(argument, "__self__", None)
            module = getattr(argument, "__module__", None)
            if isinstance(owner, (ContextVar, random.Random)) or module in _READS_THE_WORLD:
                self.reads_the_world = True

    def own_codes(self) -> Iterator[tuple[CodeType, dict[str, Any]]]:
        """The functions that are neither PyTorch's nor of Python's library. Raise Unprovable for what reads the world."""
        if self.reads_the_world:
            raise Unprovable
        for code, names in self.codes.items():
            made = code.co_filename == "<string>" and _is_trusted_name(names.get("__name__"))  # as of dataclasses
            if not made and not _is_trusted(code.co_filename):
                yield code, names
            elif Path(code.co_filename).stem in _READS_THE_WORLD:
                raise Unprovable


@cache
def _is_trusted(file: str) -> bool:
    if file.startswith((_TORCH, _PACKAGE, "<frozen")):
        return True
    return file.startswith(_LIBRARY) and "-packages" not in file


class Environment:
    """The state that some functions can read, as a list of values to compare.

    ``parts`` are the layers of the block, which are compared elsewhere, and ``roots`` the objects that they hold.
    """

    def __init__(self, watch: Watch, parts: list[nn.Module], roots: list[Any]) -> None:
        self._parts = set(parts)
        functions = functions_below([*parts, *roots])
        self._readers: list[Callable[[], Any]] = []
        self._roots = roots
        names: dict[tuple[int, str], Callable[[], Any]] = {}
        for code, scope in watch.own_codes():
            used, asked = names_in(code)
            for name in used:
                if name in scope:
                    self._read_name(names, scope, name, asked)
            if set(code.co_freevars) - {"__class__"}:
                self._read_cells(functions.get(code))
        self._readers += names.values()

    def _read_name(
        self, names: dict[tuple[int, str], Callable[[], Any]], scope: dict[str, Any], name: str, asked: tuple[str, ...]
    ) -> None:
        if (id(scope), name) in names:
            return
        names[id(scope), name] = lambda: scope.get(name, _UNKNOWN)
        value = scope[name]
        inner = vars(value) if isinstance(value, (ModuleType, type)) and not _is_of_trusted(value) else {}
        for other in asked:
            if other in inner and not isinstance(inner[other], ModuleType):
                self._read_name(names, inner, other, ())

    def _read_cells(self, known: list[FunctionType] | None) -> None:
        if known is None:
            raise Unprovable("a closure of an unknown function")
        for function in known:
            for cell in function.__closure__ or ():
                self._readers.append(lambda cell=cell: _content(cell))  # type: ignore[misc]

    def state(self) -> _State:
        """Everything that is read now. Raise Unprovable for what cannot be compared."""
        found = _State(self._parts)
        for value in (*self._roots, *self.read()):
            found.add(value)
        return found

    def read(self) -> list[Any]:
        """What the names and closures stand for."""
        return [read() for read in self._readers]


class _State:
    """A flat list of identities and plain values below some values, and everything that holds any of them."""

    def __init__(self, parts: set[nn.Module]) -> None:
        self.values: list[Any] = []
        self.holders = _Holders()
        self._layers = parts
        self._seen: dict[int, Any] = {}

    def add(self, value: Any) -> None:
        waiting = [value]
        values, seen = self.values, self._seen
        while waiting:
            value = waiting.pop()
            values.append(value)
            if isinstance(value, (*_CONSTANT, torch.Tensor, ModuleType)) or id(value) in seen:
                continue
            if len(values) > _MOST_VALUES:
                raise Unprovable
            seen[id(value)] = value
            parts = self._parts(value)
            waiting += parts
            if not (isinstance(value, type) and _is_of_trusted(value)):
                self.holders.add(value, partial(self._parts, value))

    def _parts(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [*dict.keys(value), *dict.values(value)]
        if isinstance(value, (list, tuple, deque)):
            return list(value)
        if isinstance(value, (set, MappingProxyType)):
            return [len(value), *value]
        if isinstance(value, type):
            return [] if _is_of_trusted(value) else [v for n, v in vars(value).items() if _is_data(n, v)]
        if isinstance(value, FunctionType):
            return [vars(value), value.__defaults__] if vars(value) or value.__defaults__ else []
        if isinstance(value, MethodType):
            return [value.__self__]
        if isinstance(value, nn.Module):
            if value not in self._layers:
                raise Unprovable  # a layer that the block does not hold
            return []
        if isinstance(value, partial):
            return [value.func, value.args, value.keywords]
        attributes = attributes_of(value)
        slots = [getattr(value, slot.__name__, None) for slot in slots_of(type(value))]
        if attributes is None and not slots:
            if type(value).__module__ in ("builtins", "functools", "typing", "operator") and callable(value):
                return []
            raise Unprovable
        return [*(attributes or {}).values(), *slots, *([] if _is_of_trusted(type(value)) else [type(value)])]


class _Holders:
    """Objects that hold others, read one after another as fast as Python can."""

    def __init__(self) -> None:
        self._names: list[Any] = []
        self._lists: list[list[Any]] = []
        self._others: list[Callable[[], list[Any]]] = []

    def add(self, value: Any, read: Callable[[], list[Any]]) -> None:
        """Add an object; ``read`` tells what it holds, if it is no dictionary, class or list."""
        if isinstance(value, (dict, type)):
            self._names.append(value if isinstance(value, dict) else vars(value))
        elif isinstance(value, list):
            self._lists.append(value)
        else:
            self._others.append(read)

    def content(self) -> tuple[list[int], list[Any]]:
        """How much each holds, and everything that they hold now."""
        found: list[Any] = []
        for names in self._names:
            found += names
            found += names.values()
        for values in self._lists:
            found += values
        for read in self._others:
            found += read()
        return [*map(len, self._names), *map(len, self._lists)], found


def are_same(now: list[Any], before: list[Any]) -> bool:
    """Whether two states are the same objects, or equal numbers and words."""
    return len(now) == len(before) and all(
        value is old or (type(value) is type(old) and isinstance(value, (int, float, str, bytes)) and value == old)
        for value, old in zip(now, before, strict=True)
    )


def functions_below(owners: list[Any]) -> dict[CodeType, list[FunctionType]]:
    """The functions with a closure that objects can call: of their classes and in their attributes, by code."""
    found: dict[CodeType, list[FunctionType]] = {}
    waiting: list[Any] = []
    seen: set[int] = set()
    for owner in owners:
        waiting += [value for cls in type(owner).__mro__ if not _is_of_trusted(cls) for value in vars(cls).values()]
        waiting += [owner, *(value for value in (attributes_of(owner) or {}).values() if callable(value))]
    while waiting:
        value = waiting.pop()
        function = value.__func__ if isinstance(value, (MethodType, staticmethod, classmethod)) else value
        if type(function) is not FunctionType or id(function) in seen:
            continue
        seen.add(id(function))
        waiting.append(getattr(function, "__wrapped__", None))
        if function.__closure__:
            found.setdefault(function.__code__, []).append(function)
            waiting += [_content(cell) for cell in function.__closure__]
        waiting += [
            function.__globals__[name] for name in names_in(function.__code__)[0] if name in function.__globals__
        ]
    return found


def _is_data(name: str, value: Any) -> bool:
    return not name.startswith(("__", "_abc_")) and not callable(value) and not isinstance(value, _DESCRIPTORS)


def _is_of_trusted(value: Any) -> bool:
    return _is_trusted_name(value.__name__ if isinstance(value, ModuleType) else value.__module__)


def _is_trusted_name(name: Any) -> bool:
    top = str(name).partition(".")[0]
    return top in ("torch", "nncost", "numpy", "builtins") or top in sys.stdlib_module_names


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a cell that is still empty
        return _UNKNOWN


class Observed:
    """A run of a block's layers whose functions are noted, and whose sources of random numbers are looked at."""

    def __init__(self, parts: list[nn.Module]) -> None:
        self._parts = parts
        self._watch = Watch()
        self._before = (_random_states(), reads())

    def watched(self) -> AbstractContextManager[None]:
        """Note what runs meanwhile."""
        return self._watch.watching()

    def environment(self) -> Snapshot:
        """What the run could read. Raise Unprovable if it drew random numbers, asked for values, or changed any of it."""
        if not are_same(list(self._before), [_random_states(), reads()]):
            raise Unprovable
        classes = [cls for part in self._parts for cls in type(part).__mro__ if not _is_of_trusted(cls)]
        roots = [*dict.fromkeys(classes), *objects_of(self._parts)]
        return Snapshot(Environment(self._watch, self._parts, roots))


class Snapshot:
    """An environment and its state at one moment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._state = environment.state()
        self._read = environment.read()
        self._sizes, self._content = self._state.holders.content()

    def is_same(self) -> bool:
        """Whether all is as it was."""
        if self._is_untouched():
            return True
        try:
            return are_same(self._environment.state().values, self._state.values)
        except Unprovable:
            return False

    def _is_untouched(self) -> bool:
        """Whether everything holds the very objects that it held: then nothing has changed."""
        sizes, content = self._state.holders.content()
        return (
            sizes == self._sizes
            and _are_identical(content, self._content)
            and _are_identical(self._environment.read(), self._read)
        )


def _are_identical(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(map(is_, now, before))


def _random_states() -> str:
    """The state of Python's and NumPy's random numbers, as a short text."""
    numpy = sys.modules.get("numpy.random")
    theirs = None if numpy is None else numpy.get_state(legacy=False)["state"]
    position = None if theirs is None else (theirs["pos"], theirs["key"][:4].tolist())
    return f"{hash(random.getstate())} {position}"
