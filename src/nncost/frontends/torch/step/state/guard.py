"""Save and restore what a run may change: all objects that can be reached from a module and what it is given."""

from __future__ import annotations

import copy
import io
import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from types import (
    BuiltinFunctionType,
    BuiltinMethodType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    TracebackType,
)
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_tensors import is_fake
from nncost.frontends.torch.step.state.definitions import Definitions
from nncost.frontends.torch.step.state.iterators import Unrepeatable
from nncost.frontends.torch.step.state.kept import Kept, KeptDict, KeptSlots, Place, attributes_of, kept, slots_of
from nncost.frontends.torch.step.state.random_states import random_state_kept
from nncost.frontends.torch.step.state.scripts import KeptScript
from nncost.frontends.torch.step.state.switches import switches_kept
from nncost.frontends.torch.step.subclasses import is_wrapper

LONG = 10_000
"""Longer containers are put back as well, but what is in them is not followed."""
_ATOMS = frozenset(
    {bool, int, float, complex, str, bytes, type(None), BuiltinFunctionType, BuiltinMethodType, ModuleType, range,
     slice, torch.dtype, torch.device, torch.Size, torch.memory_format, torch.layout, CodeType, FrameType, TracebackType,
     MethodWrapperType, MappingProxyType, GetSetDescriptorType, MemberDescriptorType, property, staticmethod,
     classmethod, torch.finfo, torch.iinfo, type(Ellipsis), type(NotImplemented)}
)  # fmt: skip
_TENSORS = ("_parameters", "_buffers", "_modules")
"""Attributes of every known module whose content is kept but not followed: it is swapped layer by layer."""
_COPIED = frozenset({type(iter([])), type(iter(())), type(iter(range(0))), type(iter("")), itertools.count,
                     itertools.cycle, itertools.repeat, itertools.chain, itertools.islice, type(iter({})),
                     type(iter({}.values())), type(iter({}.items())), type(iter(set()))})  # fmt: skip
"""Iterators: a run uses copies of them."""
_LEFT_ALONE = frozenset(
    {"logging", "threading", "_thread", "re", "importlib", "concurrent", "asyncio", "multiprocessing", "weakref",
     "_weakref", "contextvars", "_contextvars", "sympy", "abc", "typing", "inspect", "ast", "warnings", "os", "socket",
     "subprocess", "unittest", "pytest", "_pytest", "_io", "ctypes", "select", "queue", "nncost"}
)  # fmt: skip
"""Libraries whose objects are not of a model's state, or cannot be kept."""
_HOLDERS = (io.BytesIO, io.StringIO, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
"""Objects of such a library that are kept all the same."""
_PLAIN = frozenset({dict, OrderedDict, list, set})
Replace = Callable[[torch.Tensor], torch.Tensor]


class StateGuard:
    """Objects and their content, each saved once and restored in place.

    Modules among ``known`` are kept one by one when their parameters are swapped, so they are not followed. ``of_loss``
    are the identities of tensors that only the loss leads to.
    ``replace`` returns the tensor to use in place of one that is neither parameter nor buffer; None replaces none.
    """

    def __init__(self, known: Container[nn.Module], replace: Replace | None) -> None:
        self.of_loss: set[int] = set()
        self._known, self._replace = known, replace
        self._kept: dict[int, Kept] = {}
        self._seen: dict[int, Any] = {}
        self._waiting: list[Place] = []
        self._empty: list[Any] = []
        self._classes: list[tuple[nn.Module, type]] = []
        self._written: list[Place] = []
        self._by_tensor: list[KeptDict] = []
        self._definitions = Definitions(self._wait)

    def keep(self, module: nn.Module) -> None:
        """Keep a known module's attributes and what they lead to."""
        attributes = vars(module)
        if id(attributes) in self._kept:
            return
        self._definitions.keep_class(type(module))
        self._classes.append((module, type(module)))
        if isinstance(module, torch.jit.ScriptModule):
            self._kept[id(module)] = KeptScript(module)
        self._kept[id(attributes)] = KeptDict(attributes)
        for name, value in attributes.items():
            kind = type(value)
            if kind in _ATOMS:
                continue
            if kind in _PLAIN and not value:
                self._empty.append(value)
            elif name not in _TENSORS:
                self._wait(value, partial(dict.__setitem__, attributes, name))
            elif isinstance(value, dict):
                self._kept.setdefault(id(value), KeptDict(value))
        self._follow()

    def follow(self, value: Any) -> Any:
        """Keep what a value leads to; what to use in its place."""
        found = [value]

        def write(other: Any) -> None:
            found[0] = other

        self._wait(value, write)
        self._follow()
        return found[0]

    def again(self, replace: Replace) -> None:
        """Use it for another run, which finds everything as the first did, with other tensors in place of those there are."""
        self._replace = replace
        written, self._written = self._written, []
        self._waiting += written
        self._follow()
        for content in self._by_tensor:
            content.put_keys(self._of_key)

    def restore(self) -> None:
        """Put everything back, in the same objects and the same order."""
        for module, kind in self._classes:
            if type(module) is not kind:
                module.__class__ = kind
        for container in self._empty:
            if container:
                container.clear()
        for content in self._kept.values():
            content.restore()
        self._definitions.restore()

    # ---------------------------------------------------------------- walking
    def _wait(self, value: Any, write: Callable[[Any], None]) -> None:
        if type(value) not in _ATOMS:
            self._waiting.append((value, write))

    def _follow(self) -> None:
        known = len(self._by_tensor)
        while self._waiting:
            value, write = self._waiting.pop()
            other = self._visited(value)
            if other is not value:
                write(other)
                self._written.append((value, write))
        for content in self._by_tensor[known:]:
            content.put_keys(self._of_key)

    def _of_key(self, key: Any) -> Any:
        """What is used in place of a dictionary's key: an optimizer for each parameter is found by it."""
        return self._of_tensor(key) if isinstance(key, torch.Tensor) else key

    def _visited(self, value: Any) -> Any:
        """Keep a value; what to use in its place."""
        kind = type(value)
        if isinstance(value, torch.Tensor):
            return self._of_tensor(value)
        if issubclass(kind, tuple):
            return self._of_tuple(value)
        if kind in _COPIED or kind is GeneratorType:
            return self._of_iterator(value)
        if id(value) in self._seen or kind in _ATOMS:
            return value
        self._seen[id(value)] = value
        if isinstance(value, type):
            self._definitions.keep_class(value)
        elif not self._is_left_alone(value):
            self._of_object(value)
        return value

    def _is_left_alone(self, value: Any) -> bool:
        if isinstance(value, nn.Module):
            return value in self._known
        if isinstance(value, (Enum, BaseException)):  # an exception that is raised carries what is said of it
            return True
        if isinstance(value, _HOLDERS):
            return False
        module = type(value).__module__
        return module.partition(".")[0] in _LEFT_ALONE or module.startswith("torch.distributed.")

    def _of_object(self, value: Any) -> None:
        if type(value) is MethodType:
            self._wait(value.__self__, _stays)
            self._wait(value.__func__, _stays)
            return
        self._definitions.keep_class(type(value))
        if type(value) is FunctionType:
            self._definitions.keep_names_of(value)
        self._keep(id(value), KeptScript(value) if isinstance(value, torch.jit.ScriptModule) else kept(value))
        attributes = attributes_of(value)
        if attributes and id(attributes) not in self._seen:
            self._seen[id(attributes)] = attributes
            self._keep(id(attributes), KeptDict(attributes))
        elif attributes is not None:
            self._kept.setdefault(id(attributes), KeptDict(attributes))
        if next(slots_of(type(value)), None) is not None:
            self._keep(-id(value), KeptSlots(value))

    def _keep(self, key: int, content: Kept | None) -> None:
        if content is None or key in self._kept:
            return
        self._kept[key] = content
        if isinstance(content, KeptDict) and content.is_by_tensor and self._replace is not None:
            self._by_tensor.append(content)
        if content.size <= LONG:
            for value, write in content.places():
                self._wait(value, write)

    def _of_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        if is_fake(tensor):
            return tensor
        if id(tensor) not in self._seen:
            self._seen[id(tensor)] = tensor
            self.keep_around(tensor)
        return tensor if self._replace is None else self._replace(tensor)

    def follow_around(self, tensor: torch.Tensor) -> None:
        """Keep the attributes and the hooks of a tensor that is swapped, and what they lead to."""
        self.keep_around(tensor)
        self._follow()

    def keep_around(self, tensor: torch.Tensor) -> None:
        """Keep the attributes and the hooks of a tensor."""
        for found in (tensor._backward_hooks, getattr(tensor, "_post_accumulate_grad_hooks", None)):
            if found:
                self._wait(found, _stays)
        attributes = vars(tensor)
        if not attributes:
            self._empty.append(attributes)
            return
        if not is_wrapper(tensor):
            self._wait(attributes, _stays)
            return
        wrapped: Any = tensor
        for name in vars(tensor).keys() - set(wrapped.__tensor_flatten__()[0]):
            self._wait(vars(tensor)[name], _stays)

    def _of_tuple(self, value: Any) -> Any:
        """A tuple of what is used in place of its items; the tuple itself if that is the same."""
        if id(value) in self._seen:
            return value
        others = [item if type(item) in _ATOMS else self._visited(item) for item in tuple.__iter__(value)]
        if all(other is item for other, item in zip(others, tuple.__iter__(value), strict=True)):
            self._seen[id(value)] = value
            return value
        try:
            return tuple.__new__(type(value), others)
        except TypeError:  # a kind that C code makes, such as torch.return_types
            return type(value)(others)

    def _of_iterator(self, value: Any) -> Any:
        """A copy of an iterator; a generator cannot be copied, and is not used up unseen."""
        try:
            return copy.copy(value)
        except TypeError:
            return Unrepeatable(value)


@contextmanager
def kept_around(*values: Any) -> Iterator[None]:
    """Some values, random states and switches, put back at the end."""
    guard = StateGuard((), None)
    with switches_kept(), random_state_kept():
        try:
            for value in values:
                guard.follow(value)
            yield
        finally:
            guard.restore()


def _stays(other: Any) -> None:
    """What is changed inside, never replaced."""
