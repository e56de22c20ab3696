"""How the content of an object is kept and put back, by its kind. Subclasses are handled by what they are made of.

Each kind reads and writes below the methods of the object's own class, which may have other ideas: a dictionary that
counts its reads is neither asked nor told.
"""

from __future__ import annotations

import array
import io
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from operator import is_
from types import CellType, FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

import torch

MOST_BYTES = 1 << 28
"""Larger arrays are not copied, but cannot be written to while a step runs."""
Place = tuple[Any, Callable[[Any], None]]
"""A value that an object holds, and how to put another in its place."""


class Kept:
    """An object's content: ``places`` are the values it holds, ``size`` their number in a container."""

    size = 0

    def __init__(self, value: Any) -> None:
        self.value = value

    def places(self) -> Iterator[Place]:
        """The values that the object holds."""
        return iter(())

    def restore(self) -> None:
        """The content as it was."""
        raise NotImplementedError


class KeptDict(Kept):
    """A dictionary's items in their order."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._keys, self._values = list(dict.keys(value)), list(dict.values(value))
        self.size = len(self._keys)

    @property
    def _kind(self) -> Any:
        return OrderedDict if isinstance(self.value, OrderedDict) else dict

    @property
    def is_by_tensor(self) -> bool:
        """Whether tensors are among its keys."""
        return any(isinstance(key, torch.Tensor) for key in self._keys)

    def put_keys(self, other: Callable[[Any], Any]) -> None:
        """Others in place of its keys."""
        items = [(other(key), value) for key, value in zip(dict.keys(self.value), dict.values(self.value), strict=True)]
        self._kind.clear(self.value)
        for key, value in items:
            self._kind.__setitem__(self.value, key, value)

    def places(self) -> Iterator[Place]:
        """Its values."""
        write = self._kind.__setitem__
        for key, value in zip(self._keys, self._values, strict=True):
            yield value, partial(write, self.value, key)

    def restore(self) -> None:
        """The same keys with the same values in the same order."""
        if _are_same(list(dict.values(self.value)), self._values) and _are_same(
            list(dict.keys(self.value)), self._keys
        ):
            return
        kind = self._kind
        kind.clear(self.value)
        if kind is dict:
            dict.update(self.value, zip(self._keys, self._values, strict=True))
            return
        for key, value in zip(self._keys, self._values, strict=True):
            kind.__setitem__(self.value, key, value)


class KeptList(Kept):
    """A list's items."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._items = list(list.__iter__(value))
        self.size = len(self._items)

    def places(self) -> Iterator[Place]:
        """Its items."""
        for position, value in enumerate(self._items):
            yield value, partial(list.__setitem__, self.value, position)

    def restore(self) -> None:
        """The same items."""
        if not _are_same(list(list.__iter__(self.value)), self._items):
            list.__setitem__(self.value, slice(None), self._items)


class KeptDeque(Kept):
    """A deque's items."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._items = list(deque.__iter__(value))
        self.size = len(self._items)

    def places(self) -> Iterator[Place]:
        """Its items."""
        for position, value in enumerate(self._items):
            yield value, partial(deque.__setitem__, self.value, position)

    def restore(self) -> None:
        """The same items."""
        if not _are_same(list(deque.__iter__(self.value)), self._items):
            deque.clear(self.value)
            deque.extend(self.value, self._items)


class KeptSet(Kept):
    """A set's members, which are not followed: a tensor or a list in a set is there for its identity."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._items = list(set.__iter__(value))
        self.size = len(self._items)

    def restore(self) -> None:
        """The same members."""
        if len(self.value) != len(self._items) or not _are_same(list(set.__iter__(self.value)), self._items):
            set.clear(self.value)
            set.update(self.value, self._items)


class KeptSlots(Kept):
    """The attributes of an object that has slots."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._slots = list(slots_of(type(value)))
        self._before = [_read(slot, value) for slot in self._slots]

    def places(self) -> Iterator[Place]:
        """The attributes that are set."""
        for slot, value in zip(self._slots, self._before, strict=True):
            if value is not _UNSET:
                yield value, partial(slot.__set__, self.value)

    def restore(self) -> None:
        """Each slot as it was, or empty."""
        for slot, before in zip(self._slots, self._before, strict=True):
            now = _read(slot, self.value)
            if now is before:
                continue
            if before is _UNSET:
                slot.__delete__(self.value)
            else:
                slot.__set__(self.value, before)


class KeptCell(Kept):
    """A variable of a closure."""

    def __init__(self, value: CellType) -> None:
        super().__init__(value)
        self._before = _content(value)

    def places(self) -> Iterator[Place]:
        """What it holds."""
        if self._before is not _UNSET:
            yield self._before, self._write

    def _write(self, content: Any) -> None:
        self.value.cell_contents = content

    def restore(self) -> None:
        """What it held."""
        if _content(self.value) is self._before:
            return
        if self._before is _UNSET:
            del self.value.cell_contents
        else:
            self.value.cell_contents = self._before


class KeptFunction(Kept):
    """A function's defaults; its closure and attributes are objects of their own."""

    def __init__(self, value: FunctionType) -> None:
        super().__init__(value)
        self._defaults = value.__defaults__

    def places(self) -> Iterator[Place]:
        """Its defaults, its closure's variables and its attributes."""
        if self._defaults:
            yield self._defaults, partial(setattr, self.value, "__defaults__")
        for found in (self.value.__kwdefaults__, vars(self.value), *(self.value.__closure__ or ())):
            if found:
                yield found, _stays

    def restore(self) -> None:
        """The same defaults."""
        if self.value.__defaults__ is not self._defaults:
            self.value.__defaults__ = self._defaults


class KeptPartial(Kept):
    """A partial function's arguments."""

    def __init__(self, value: partial[Any]) -> None:
        super().__init__(value)
        self._state = (value.func, value.args, value.keywords, vars(value))

    def places(self) -> Iterator[Place]:
        """Its function and its arguments."""
        function, args, keywords, attributes = self._state
        yield args, lambda other: self.value.__setstate__((function, other, keywords, attributes or None))
        for found in (function, keywords):
            yield found, _stays

    def restore(self) -> None:
        """The same arguments."""
        if self.value.args is not self._state[1]:
            function, args, keywords, attributes = self._state
            self.value.__setstate__((function, args, keywords, attributes or None))


class KeptState(Kept):
    """An object that tells its state and takes it back: a generator of random numbers, a file in memory, an array."""

    def __init__(self, value: Any, state: Any, write: Callable[[Any], object]) -> None:
        super().__init__(value)
        self._state, self._write = state, write

    def restore(self) -> None:
        """The state as it was."""
        self._write(self._state)


_UNSET = object()


def kept(value: Any) -> Kept | None:
    """What is kept of a value; None for one that has no content of its own but perhaps attributes."""
    kind = type(value)
    for base, make in _KINDS:
        if issubclass(kind, base):
            return make(value)
    return _kept_of_numpy(value)


def attributes_of(value: Any) -> dict[str, Any] | None:
    """An object's own attributes, without asking its class; None if it has none."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def slots_of(kind: type) -> Iterator[Any]:
    """The slots of a class that Python code has defined."""
    for cls in kind.__mro__:
        for name in _names(vars(cls).get("__slots__", ())):
            slot = vars(cls).get(name if not name.startswith("__") else f"_{cls.__name__.lstrip('_')}{name}")
            if isinstance(slot, (MemberDescriptorType, GetSetDescriptorType)) and name not in (
                "__dict__",
                "__weakref__",
            ):
                yield slot


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _stays(other: Any) -> None:
    """What is changed inside, never replaced."""


def _are_same(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(map(is_, now, before))


def _read(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:
        return _UNSET


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a cell that is still empty
        return _UNSET


def _kept_bytes(value: bytearray) -> KeptState:
    def write(before: bytes) -> None:
        if value != before:
            value[:] = before

    return KeptState(value, bytes(value), write)


def _kept_numbers(value: array.array[Any]) -> KeptState:
    def write(before: bytes) -> None:
        if value.tobytes() != before:
            del value[:]
            value.frombytes(before)

    return KeptState(value, value.tobytes(), write)


def _kept_file(value: io.BytesIO | io.StringIO) -> KeptState | None:
    if value.closed:
        return None

    def write(state: tuple[Any, int]) -> None:
        if value.closed or (value.getvalue(), value.tell()) == state:
            return
        value.seek(0)
        value.truncate()
        value.write(state[0])
        value.seek(state[1])

    return KeptState(value, (value.getvalue(), value.tell()), write)


def _kept_of_numpy(value: Any) -> Kept | None:
    """An array's elements, or the state of a generator of NumPy's."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.ndarray):
        return _kept_array(numpy, value)
    if isinstance(value, numpy.random.Generator):
        bits = value.bit_generator
        return KeptState(value, bits.state, lambda state: setattr(bits, "state", state))
    if isinstance(value, numpy.random.BitGenerator):
        return KeptState(value, value.state, lambda state: setattr(value, "state", state))
    if isinstance(value, numpy.random.RandomState):
        return KeptState(value, value.get_state(), value.set_state)
    return None


def _kept_array(numpy: Any, value: Any) -> KeptState | None:
    if not value.flags.writeable:
        return None
    if value.nbytes > MOST_BYTES:
        value.flags.writeable = False  # a run that writes to it is told so
        return KeptState(value, True, lambda state: setattr(value.flags, "writeable", state))

    def write(before: Any) -> None:
        if not numpy.array_equal(value, before):
            value[...] = before

    return KeptState(value, value.copy(), write)


_KINDS: tuple[tuple[Any, Callable[[Any], Kept | None]], ...] = (
    (dict, KeptDict),
    (list, KeptList),
    (set, KeptSet),
    (deque, KeptDeque),
    (FunctionType, KeptFunction),
    (CellType, KeptCell),
    (partial, KeptPartial),
    (bytearray, _kept_bytes),
    (array.array, _kept_numbers),
    ((io.BytesIO, io.StringIO), _kept_file),
    (random.Random, lambda value: KeptState(value, value.getstate(), value.setstate)),
    (torch.Generator, lambda value: KeptState(value, value.get_state(), value.set_state)),
)
