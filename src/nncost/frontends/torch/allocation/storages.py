"""Storages of one run: numbered as they are taken, noted when they are given back."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

OUTSIDE = -1
"""The number of memory that is there before the step: parameters, buffers, inputs, optimizer state."""


class _Watch(weakref.ref[Any]):
    """A reference to a storage that knows its number."""

    __slots__ = ("address", "number")


@dataclass(slots=True)
class Storages:
    """Which memory is there, by address; ``freed`` is called with the number of memory that is given back.

    PyTorch keeps the Python object of a storage as long as the storage itself lives, whoever holds it.
    """

    freed: Callable[[int], None]
    count: int = 0
    _alive: dict[int, Any] = field(default_factory=dict)

    def number(self, storage: Any) -> int | None:
        """The number of a storage; None for one never seen."""
        known = self._alive.get(storage._cdata)
        return None if known is None else known.number

    def outside(self, storage: Any) -> None:
        """Memory that is there already, also where it was noted as taken."""
        if storage._cdata in self._alive:
            self._alive[storage._cdata].number = OUTSIDE
        else:
            self._watch(storage, OUTSIDE)

    def taken(self, storage: Any) -> int:
        """Note new memory; its number."""
        number = self.count
        self.count += 1
        self._watch(storage, number)
        return number

    def adopt(self, storage: Any, number: int) -> None:
        """Note new memory whose number is known."""
        self._watch(storage, number)

    def watch_of(self, number: int) -> Any:
        """What knows the number of memory that is alive, and can be told another; None for memory that is not."""
        return next((watch for watch in self._alive.values() if watch.number == number), None)

    def now_outside(self, but: set[int]) -> None:
        """All that is there was there before the step, apart from some."""
        for watch in self._alive.values():
            if watch.number not in but:
                watch.number = OUTSIDE

    def alive(self) -> set[int]:
        """The numbers of what the step has taken and not given back."""
        return {watch.number for watch in self._alive.values()} - {OUTSIDE}

    def _watch(self, storage: Any, number: int) -> None:
        watch: Any = _Watch(storage, self._freed)
        watch.address, watch.number = storage._cdata, number
        self._alive[watch.address] = watch

    def _freed(self, watch: Any) -> None:
        address = watch.address
        if self._alive.get(address) is watch:
            del self._alive[address]
        if watch.number != OUTSIDE:
            self.freed(watch.number)


def storage_of(tensor: torch.Tensor) -> Any:
    """A tensor's memory; None where it has none of its own, as a sparse tensor."""
    return tensor.untyped_storage() if tensor.layout is torch.strided else None
