"""From the events of a run to a timeline: what each call takes, results and workspace, and when it is freed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from nncost.dims import Dim, add_all
from nncost.frontends.torch.allocation.call_record import Called, Ran
from nncost.frontends.torch.allocation.workspace_probe import Lesson
from nncost.frontends.torch.allocation.workspace_rules import SCALAR_BYTES
from nncost.ir.storage import Allocation, AllocationKind, Timeline

_NOTHING = Lesson((), ())


@dataclass(slots=True)
class _Open:
    """Memory that is taken: its bytes, when, by whom."""

    bytes: Dim
    born: int
    ran: Ran


@dataclass(slots=True)
class Assembly:
    """Walks events with a clock. ``lessons`` tell what calls take; ``gradients`` number parameters' gradients."""

    lessons: Callable[[Called], Lesson | None]
    gradients: Collection[int]
    clock: int = 0
    done: list[Allocation] = field(default_factory=list)
    saved: Dim = 0
    _open: dict[int, _Open] = field(default_factory=dict)
    _root: dict[int, int] = field(default_factory=dict)
    _holders: dict[int, int] = field(default_factory=dict)

    def walk(self, events: Sequence[Any], forward_ends: int) -> Timeline:
        """The timeline of events; the forward pass ends before the event of that position."""
        for position, event in enumerate(events):
            if position == forward_ends:
                self._forward_ended()
            if isinstance(event, int):
                self._freed(event)
            else:
                self._ran(event, events[position + 1] if position + 1 < len(events) else None)
        if forward_ends >= len(events):
            self._forward_ended()
        for number in list(self._open):
            self._close(number, None)
        return Timeline(tuple(sorted(self.done, key=lambda a: a.born)), self.saved)

    def _forward_ended(self) -> None:
        self.saved = add_all(found.bytes for found in self._open.values())

    def _ran(self, ran: Ran, following: Any) -> None:
        if ran.first is not None and ran.first == following:
            self._hold(ran.made[0], self._root.get(ran.first, ran.first))
            lesson = None if ran.instead is None else self.lessons(ran.instead)
            self._play(lesson or _NOTHING, Ran(ran.called, (), ran.path, ran.phase))
            return
        lesson = self.lessons(ran.called)
        if lesson is None:
            for number, size in zip(ran.made, ran.called.sizes, strict=True):
                self._open[number] = _Open(size, self._tick(), ran)
        else:
            self._play(lesson, ran)

    def _play(self, lesson: Lesson, ran: Ran) -> None:
        """The allocations of a call that was learned."""
        numbers: dict[int, int] = {}
        for number, result in zip(ran.made, ran.called.places, strict=False):
            place = lesson.results[result]
            if place in numbers:
                self._hold(number, numbers[place])
            elif place:
                numbers[place] = number
        if ran.kept is not None and lesson.steps and lesson.steps[0] <= SCALAR_BYTES:
            numbers[1] = ran.kept
        inside: dict[int, _Open] = {}
        taken = 0
        bare = ran.bare and bool(lesson.steps) and 1 not in numbers
        for step in lesson.steps:
            if -step in numbers or (bare and step == -1):
                continue  # kept
            if step < 0:
                self._add(inside.pop(-step), self._tick(), "workspace")
                continue
            taken += 1
            if bare and taken == 1:
                continue
            opened = _Open(step, self._tick(), ran)
            if taken in numbers:
                self._open[numbers[taken]] = opened
            else:
                inside[taken] = opened
        for opened in inside.values():  # a result whose stand-in shares memory
            self._add(opened, self._tick(), "workspace")

    def _hold(self, number: int, root: int) -> None:
        """Memory of that number is, in truth, that of another."""
        self._root[number] = root
        self._holders[root] = self._holders.get(root, 1) + 1

    def _freed(self, number: int) -> None:
        root = self._root.get(number, number)
        self._holders[root] = self._holders.get(root, 1) - 1
        if root in self._open and not self._holders[root]:
            self._close(root, self._tick())

    def _close(self, number: int, moment: int | None) -> None:
        self._add(self._open.pop(number), moment, "gradient" if self._is_gradient(number) else "value")

    def _is_gradient(self, number: int) -> bool:
        return number in self.gradients or any(self._root.get(g) == number for g in self.gradients if g in self._root)

    def _add(self, opened: _Open, dies: int | None, kind: AllocationKind) -> None:
        ran = opened.ran
        self.done.append(Allocation(opened.bytes, opened.born, dies, ran.path, ran.phase, kind))

    def _tick(self) -> int:
        self.clock += 1
        return self.clock
