"""Everything that counting must leave as it was, as one flat dict: all objects below some values, and the process.

The walk is the tests' own: it shares no code with what saves and restores objects.
"""

from __future__ import annotations

import array
import collections
import copy
import enum
import functools
import io
import itertools
import random
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch._dynamo  # whose import by a checkpoint, late, would look like a trace
from torch import nn

from tests.torch.settings_of_process import functions, of_process

OWN = ("tests.", "__main__", "test_")
"""Files whose classes and global names are looked into."""
_ATOMS = (
    bool, int, float, complex, str, bytes, type(None), range, slice, types.ModuleType, types.BuiltinFunctionType,
    types.CodeType, torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, enum.Enum, re.Pattern,
    type(Ellipsis), type(NotImplemented),
)  # fmt: skip
_ITERATORS = (
    itertools.count, itertools.cycle, itertools.repeat, itertools.chain, itertools.islice, type(iter([])),
    type(iter(())), type(iter({})), type(iter({}.values())), type(iter({}.items())), type(iter("")), type(iter(set())),
    type(iter(range(0))),
)  # fmt: skip
_MOST = 8


def of_tensor(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Values, version, layout and what autograd knows of a tensor."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        return (type(tensor), tensor.requires_grad)
    lies_somewhere = tensor.layout is torch.strided and tensor.device.type != "meta" and not _is_fake(tensor)
    if lies_somewhere and tensor.is_quantized:
        values = tensor.int_repr().numpy().tobytes()
    else:
        values = (
            tensor.detach().resolve_conj().resolve_neg().clone().flatten().view(torch.uint8).numpy().tobytes()
            if lies_somewhere
            else b""
        )
    return (
        type(tensor), values, None if tensor.is_inference() else tensor._version, tensor.requires_grad,
        tensor.grad_fn, tuple(tensor.shape), tensor.stride() if lies_somewhere else (), tensor.dtype,
        str(tensor.device), tensor.data_ptr() if lies_somewhere else 0,
    )  # fmt: skip


def _is_fake(tensor: torch.Tensor) -> bool:
    return type(tensor).__module__ == "torch._subclasses.fake_tensor"


class Walk:
    """All that can be reached from some values: ``found`` says of each place which object is there, and its content."""

    def __init__(self, roots: dict[str, Any]) -> None:
        self.found: dict[str, Any] = {}
        self._seen: dict[int, Any] = {}
        self._waiting: list[tuple[str, Any]] = []
        self._files: set[str] = set()
        for name, root in roots.items():
            self._go(name, root)
        while self._waiting:
            self._visit(*self._waiting.pop())

    def _go(self, place: str, value: Any) -> None:
        if isinstance(value, _ATOMS):
            self.found[place] = value if value == value else "nan"
            return
        self.found[place] = (id(value), type(value))
        if id(value) not in self._seen:
            self._seen[id(value)] = value  # and its number stays its own
            self._waiting.append((place, value))

    def _visit(self, place: str, value: Any) -> None:
        for kind, look in _KINDS:
            if isinstance(value, kind):
                look(self, place, value)
                break
        if isinstance(value, (type, types.FunctionType)):
            self._file(value.__module__)
            return
        self._class(type(value))
        self._attributes(place, value)

    def _attributes(self, place: str, value: Any) -> None:
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            attributes = None
        if isinstance(attributes, dict):
            self.found[f"{place}: attributes"] = list(attributes)
            for name, item in attributes.items():
                self._go(f"{place}.{name}", item)
        for cls in type(value).__mro__:
            for name, slot in vars(cls).items():
                if isinstance(slot, types.MemberDescriptorType) and cls.__module__ not in ("builtins", "functools"):
                    try:
                        self._go(f"{place}.{name}", slot.__get__(value))
                    except AttributeError:
                        self.found[f"{place}.{name}"] = "empty"

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if base.__module__.startswith(OWN):
                self._go(f"class {base.__qualname__}", base)

    def _file(self, name: str | None) -> None:
        if name is None or not name.startswith(OWN) or name in self._files:
            return
        self._files.add(name)
        file = sys.modules.get(name)
        for key, value in list(vars(file).items()) if file is not None else ():
            if not key.startswith(("__", "@")):
                self._go(f"file {name}: {key}", value)

    # ---------------------------------------------------------------- kinds
    def tensor(self, place: str, value: torch.Tensor) -> None:
        self.found[f"{place}: tensor"] = of_tensor(value)
        if not isinstance(value, nn.parameter.UninitializedTensorMixin) and value.is_leaf:
            self._go(f"{place}: grad", value.grad)
        for kind in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            self._go(f"{place}: {kind}", getattr(value, kind, None))

    def mapping(self, place: str, value: Any) -> None:
        items = list(dict.items(value))
        self.found[f"{place}: keys"] = [key if isinstance(key, _ATOMS) else id(key) for key, _ in items]
        if isinstance(value, collections.OrderedDict):
            self.found[f"{place}: order"] = [id(key) for key in collections.OrderedDict.__iter__(value)]
        for number, (key, item) in enumerate(items):
            self._go(f"{place}[{key!r}]" if isinstance(key, (str, int)) else f"{place}[#{number}]", item)
            if not isinstance(key, _ATOMS):
                self._go(f"{place}, key {number}", key)

    def sequence(self, place: str, value: Any) -> None:
        kind = next(kind for kind in (list, tuple, collections.deque) if isinstance(value, kind))
        self.found[f"{place}: length"] = kind.__len__(value)
        for number, item in enumerate(kind.__iter__(value)):
            self._go(f"{place}[{number}]", item)

    def members(self, place: str, value: Any) -> None:
        self.found[f"{place}: members"] = sorted(repr(m) if isinstance(m, _ATOMS) else str(id(m)) for m in value)

    def function(self, place: str, value: types.FunctionType) -> None:
        self.found[f"{place}: code"] = id(value.__code__)
        for name in ("__defaults__", "__kwdefaults__", "__closure__", "__dict__"):
            self._go(f"{place}.{name}", getattr(value, name))

    def cell(self, place: str, value: types.CellType) -> None:
        try:
            self._go(f"{place}: content", value.cell_contents)
        except ValueError:
            self.found[f"{place}: content"] = "empty"

    def method(self, place: str, value: types.MethodType) -> None:
        self._go(f"{place}.__self__", value.__self__)
        self._go(f"{place}.__func__", value.__func__)

    def partial(self, place: str, value: functools.partial[Any]) -> None:
        for name in ("func", "args", "keywords"):
            self._go(f"{place}.{name}", getattr(value, name))

    def cls(self, place: str, value: type) -> None:
        if not value.__module__.startswith(OWN):
            return
        for name, item in vars(value).items():
            if not name.startswith(("__", "_abc_")) and not isinstance(item, property):
                self._go(f"class {value.__qualname__}.{name}", item)

    def wrapped(self, place: str, value: Any) -> None:
        self._go(f"{place}.__func__", value.__func__)

    def iterator(self, place: str, value: Any) -> None:
        try:
            ahead = list(itertools.islice(copy.copy(value), _MOST))
        except RuntimeError as error:  # of a container that has changed
            ahead = [str(error)]
        self.found[f"{place}: ahead"] = [item if isinstance(item, _ATOMS) else id(item) for item in ahead]

    def generator(self, place: str, value: types.GeneratorType[Any, Any, Any]) -> None:
        frame = value.gi_frame
        self.found[f"{place}: at"] = None if frame is None else frame.f_lasti
        if frame is not None:
            self.found[f"{place}: locals"] = sorted(frame.f_locals)

    def script(self, place: str, value: torch.jit.ScriptModule) -> None:
        getattr(value, "forward", None)  # which PyTorch notes in the module once somebody has asked
        concrete = getattr(value, "_concrete_type", None)  # which a script that was loaded or frozen has not
        for name in () if concrete is None else concrete.get_attributes():
            item = getattr(value, name)
            self.found[f"{place}: {name}"] = of_tensor(item) if isinstance(item, torch.Tensor) else repr(item)
        for name, tensor in itertools.chain(value.named_parameters(), value.named_buffers()):
            self.found[f"{place}: {name}"] = (tensor.data_ptr(), of_tensor(tensor))

    def weak(self, place: str, value: weakref.ref[Any]) -> None:
        self.found[f"{place}: referent"] = id(value())


def _says(read: Callable[[Any], Any]) -> Callable[[Walk, str, Any], None]:
    def look(walk: Walk, place: str, value: Any) -> None:
        walk.found[f"{place}: state"] = read(value)

    return look


_KINDS: tuple[tuple[Any, Callable[[Walk, str, Any], None]], ...] = (
    (torch.Tensor, Walk.tensor),
    (dict, Walk.mapping),
    ((list, tuple, collections.deque), Walk.sequence),
    ((set, frozenset), Walk.members),
    (types.FunctionType, Walk.function),
    (types.CellType, Walk.cell),
    (types.MethodType, Walk.method),
    (functools.partial, Walk.partial),
    (type, Walk.cls),
    ((staticmethod, classmethod), Walk.wrapped),
    (_ITERATORS, Walk.iterator),
    (types.GeneratorType, Walk.generator),
    (torch.jit.ScriptModule, Walk.script),
    (weakref.ref, Walk.weak),
    (random.Random, _says(lambda value: value.getstate())),
    (torch.Generator, _says(lambda value: value.get_state().numpy().tobytes())),
    (np.ndarray, _says(lambda value: (value.tobytes(), value.shape, value.dtype, value.flags.writeable))),
    (np.random.Generator, _says(lambda value: repr(value.bit_generator.state))),
    (np.random.RandomState, _says(lambda value: repr(value.get_state()))),
    ((bytearray, memoryview), _says(bytes)),
    (array.array, _says(lambda value: value.tobytes())),
    ((io.BytesIO, io.StringIO), _says(lambda value: None if value.closed else (value.getvalue(), value.tell()))),
)


def difference(before: Any, after: Any) -> str:
    """The innermost part in which two fingerprints differ."""
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        return next(difference(old, new) for old, new in zip(before, after, strict=True) if old != new)
    return f"{before!r} became {after!r}"[:500]


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs in two fingerprints, in words."""
    return [
        f"{name}: {difference(before.get(name, 'nothing'), after.get(name, 'nothing'))}"
        for name in {**before, **after}
        if name not in before or name not in after or before[name] != after[name]
    ]


@contextmanager
def no_trace(*values: Any) -> Iterator[None]:
    """Fails for the first thing that is another one at the end, however the body ends."""
    roots = {type(value).__name__ + (f" {number}" if number else ""): value for number, value in enumerate(values)}
    names = functions()
    before, process = Walk(roots), of_process()
    try:
        yield
    finally:
        after, now = Walk(roots), of_process()
        different = changes({**before.found, **process}, {**after.found, **now})
        assert not different, "\n".join(different[:10])
        assert names == functions()
