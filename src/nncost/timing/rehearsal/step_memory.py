"""What some operators in a row of a recorded step do to memory: what they leave behind, keep, and write to."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from nncost.frontends.torch.allocation.recorder import Argument, Recording


class StepMemory:
    """The memory of a recorded step; operators are named by the first and the last position."""

    def __init__(self, recording: Recording) -> None:
        self._operators = recording.operators
        self._given_back = {event.storage: event.position for event in recording.memory if event.bytes is None}
        self._taken = [
            (event.position, event.storage, event.bytes) for event in recording.memory if event.bytes is not None
        ]
        self._positions = [position for position, _, _ in self._taken]
        self._sizes = {storage: (position, size) for position, storage, size in self._taken}

    def held(self, first: int, last: int) -> tuple[int, ...]:
        """The bytes of each piece of memory that operators take and leave behind."""
        return tuple(size for storage, size in self._own(first, last) if self._stays(storage, last))

    def kept(self, first: int, last: int) -> frozenset[int]:
        """The sizes in bytes of memory that was there before, is read, and is there afterwards."""
        read = {given.storage for call in self._operators[first : last + 1] for given in call.tensors()}
        found = (self._sizes[storage] for storage in read if storage in self._sizes and self._stays(storage, last))
        return frozenset(size for position, size in found if position < first)

    def is_written(self, first: int, last: int) -> bool:
        """Whether operators of a forward pass write to a tensor with a gradient that was there before."""
        own = {storage for storage, _ in self._own(first, last)}
        return any(
            isinstance(given, Argument) and given.requires_grad and given.storage not in own
            for call in self._operators[first : last + 1]
            for given, told in zip(call.args, call.operator._schema.arguments, strict=False)
            if told.is_write
        )

    def _own(self, first: int, last: int) -> list[tuple[int, int]]:
        """What is taken there, with its bytes."""
        begin, end = bisect_left(self._positions, first), bisect_right(self._positions, last)
        return [(storage, size) for _, storage, size in self._taken[begin:end]]

    def _stays(self, storage: int, last: int) -> bool:
        """Whether memory is given back later than right behind an operator."""
        return self._given_back.get(storage, last + 2) > last + 1
