"""The events of one pass through a block, numbered from the block, so that they hold for every block that is equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from nncost.frontends.torch.allocation.memory_call import CallEvent, MemoryCall


class UnlikeError(Exception):
    """A pass does something that cannot be told of another block's."""


class Numbers(Protocol):
    """Which memory a number in some events is."""

    def __getitem__(self, number: int, /) -> int: ...


@dataclass(slots=True, eq=False)
class BlockEvents:
    """A block's events at the place of an equal one: ``numbers`` tell which memory each of their numbers is there.

    Numbers below zero count from the end of that list.
    """

    events: Sequence[Any]
    numbers: Sequence[int]
    path: str


def first_of(event: Any) -> Any:
    """The first event of a block's, in the numbers of its place; any other event itself."""
    if not isinstance(event, BlockEvents):
        return event
    first = event.events[0] if event.events else None
    return event.numbers[first] if isinstance(first, int) else first


def relative_to(block: str, events: Iterable[Any], numbers: Mapping[int, int]) -> list[Any]:
    """A pass's events as every equal block has them. Raise UnlikeError for memory or a layer that is none of the block's."""
    try:
        return [
            numbers[event]
            if isinstance(event, int)
            else _renumbered(event, numbers.__getitem__, _below(event.path, block))
            for event in events
        ]
    except KeyError as error:
        raise UnlikeError(f"memory {error}") from None


def are_alike(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether two passes took and freed the same memory by the same calls."""
    return len(some) == len(others) and all(map(_is_alike, some, others))


def taken_in(events: Iterable[Any]) -> list[int]:
    """The numbers of the memory that events take."""
    taken: list[int] = []
    for event in events:
        if isinstance(event, CallEvent):
            taken += event.allocated
            if event.saved_scalar is not None:
                taken.append(event.saved_scalar)
    return taken


def _renumbered(event: Any, number: Any, path: str) -> Any:
    if not isinstance(event, CallEvent):
        raise UnlikeError("a block inside")
    return replace(
        event,
        allocated=tuple([number(n) for n in event.allocated]),
        path=path,
        saved_scalar=None if event.saved_scalar is None else number(event.saved_scalar),
        reusable_input=None if event.reusable_input is None else number(event.reusable_input),
    )


def _below(path: str, block: str) -> str:
    if path == block:
        return ""
    if not path.startswith(f"{block}."):
        raise UnlikeError(f"layer {path}")
    return path[len(block) + 1 :]


def _is_alike(one: Any, other: Any) -> bool:
    if isinstance(one, int) or isinstance(other, int):
        return type(one) is type(other) and bool(one == other)
    return _facts(one) == _facts(other) and _is_same_call(one.call, other.call) and _is_same_form(one, other)


def _facts(event: CallEvent) -> tuple[Any, ...]:
    return (
        event.allocated, event.path, event.phase, event.saved_scalar, event.scalar_operand, event.reusable_input,
        event.reuses,
    )  # fmt: skip


def _is_same_form(one: CallEvent, other: CallEvent) -> bool:
    if one.inplace_form is None or other.inplace_form is None:
        return one.inplace_form is other.inplace_form
    return _is_same_call(one.inplace_form, other.inplace_form)


def _is_same_call(one: MemoryCall, other: MemoryCall) -> bool:
    """Whether calls are one, or equal: those that cannot be repeated are noted anew each time."""
    return one is other or (
        (one.operator, one.args, one.kwargs, one.sizes, one.positions, one.results, one.grads)
        == (other.operator, other.args, other.kwargs, other.sizes, other.positions, other.results, other.grads)
    )
