"""A module's timeline: the events of one step, and the workspace of its operators, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nncost.dims import Dim, add_all, substitute
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.allocation.block_events import one_by_one
from nncost.frontends.torch.allocation.known_results import KnownResults
from nncost.frontends.torch.allocation.memory_call import CallEvent, MemoryCall
from nncost.frontends.torch.allocation.repeated_memory import Call, repeated_rows
from nncost.frontends.torch.allocation.tracker import AllocationTracker
from nncost.frontends.torch.allocation.workspace_cache import WorkspaceCache
from nncost.frontends.torch.allocation.workspace_probe import Workspace
from nncost.frontends.torch.allocation.workspace_rules import SCALAR_BYTES
from nncost.frontends.torch.step.loss import wants_backward
from nncost.frontends.torch.step.run import StepSettings, run_step, symbols_of
from nncost.ir.storage import Allocation, AllocationKind, Timeline, in_symbols
from nncost.records import replace

_NOTHING = Workspace((), ())


def timeline_of(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    known: KnownResults,
    settings: StepSettings,
    groups: Sequence[Sequence[Call]] = (),
) -> tuple[Timeline | None, int, Dim]:
    """The timeline of a step, the bytes of the optimizer's state, and those of inputs and targets.

    The step runs once, in the way of ``settings``. No timeline if it cannot run so again: the operations are counted
    all the same. ``groups`` are layers that the trace found equal; if their memory is not, the step runs again.
    """
    cache = WorkspaceCache(options.learn)
    multiples = None if settings.sizes is None else settings.sizes.multiples
    sizes = symbols_of(module, given, options, multiples)
    rows = repeated_rows(groups, trains=wants_backward(options)) if sizes is None else []
    optimizer = options.steps.optimizer
    for repeated in (rows, []) if rows else ([],):
        updates = optimizer not in (None, "none")
        tracker = AllocationTracker(known if sizes is None else {}, cache.actual_outputs, repeated, updates=updates)
        left_out = [layer for row in repeated for layer in row.left_out()]
        try:
            run_step(module, given, options, tracker, StepSettings(sizes=sizes, as_loop=True, deferred=left_out))
            if sizes is not None:
                sizes.check()
            break
        except Exception:  # noqa: BLE001 - the module's own code runs; its count has succeeded
            if not repeated:
                return None, 0, 0
    timeline = _Builder(cache.of, tracker.gradients).timeline(tracker.events, tracker.forward_events)
    cache.keep()
    unknown = (*tracker.other_formulas, *sorted(cache.missing))
    meaning = {} if sizes is None else sizes.meaning
    return (
        replace(in_symbols(timeline, meaning), unknown_workspace=unknown),
        tracker.state_bytes,
        substitute(tracker.input_bytes, meaning) if meaning else tracker.input_bytes,
    )


@dataclass(slots=True)
class _Open:
    """Memory that is held: its bytes, since when, taken by which call."""

    bytes: Dim
    born: int
    event: CallEvent


@dataclass(slots=True)
class _Builder:
    """Walks events with a clock. ``gradients`` are the numbers of the memory of parameters' gradients."""

    workspace_of: Callable[[MemoryCall], Workspace | None]
    gradients: Collection[int]
    clock: int = 0
    done: list[Allocation] = field(default_factory=list)
    saved: Dim = 0
    _open: dict[int, _Open] = field(default_factory=dict)
    _root: dict[int, int] = field(default_factory=dict)
    _holders: dict[int, int] = field(default_factory=dict)

    def timeline(self, events: Sequence[Any], forward_ends: int) -> Timeline:
        """The timeline of events; the forward pass ends before the event of that position."""
        ended = len(list(one_by_one(events[:forward_ends])))
        events = list(one_by_one(events))
        for position, event in enumerate(events):
            if position == ended:
                self._forward_ended()
            if isinstance(event, int):
                self._freed(event)
            else:
                self._called(event, events[position + 1] if position + 1 < len(events) else None)
        if ended == len(events):
            self._forward_ended()
        for number in list(self._open):
            self._close(number, None)
        return Timeline(tuple(sorted(self.done, key=lambda a: a.born)), self.saved)

    def _forward_ended(self) -> None:
        self.saved = add_all(found.bytes for found in self._open.values())

    def _called(self, event: CallEvent, following: Any) -> None:
        if event.reusable_input is not None and (event.reuses or event.reusable_input == following):
            self._hold(event.allocated[0], self._root.get(event.reusable_input, event.reusable_input))
            workspace = None if event.inplace_form is None else self.workspace_of(event.inplace_form)
            self._replay(workspace or _NOTHING, CallEvent(event.call, (), event.path, event.phase))
            return
        workspace = self.workspace_of(event.call)
        if workspace is None:
            for number, size in zip(event.allocated, event.call.sizes, strict=True):
                self._open[number] = _Open(size, self._tick(), event)
        else:
            self._replay(workspace, event)

    def _replay(self, workspace: Workspace, event: CallEvent) -> None:
        """The allocations of a call whose workspace is known."""
        numbers: dict[int, int] = {}
        for number, position in zip(event.allocated, event.call.positions, strict=False):
            holder = workspace.results[position]
            if holder in numbers:
                self._hold(number, numbers[holder])
            elif holder:
                numbers[holder] = number
        steps = workspace.allocations
        if event.saved_scalar is not None and steps and steps[0] <= SCALAR_BYTES:
            numbers[1] = event.saved_scalar
        inside: dict[int, _Open] = {}
        taken = 0
        is_given = event.scalar_operand and bool(steps) and 1 not in numbers
        for step in steps:
            if -step in numbers or (is_given and step == -1):
                continue  # still held
            if step < 0:
                self._add(inside.pop(-step), self._tick(), "workspace")
                continue
            taken += 1
            if is_given and taken == 1:
                continue
            opened = _Open(step, self._tick(), event)
            if taken in numbers:
                self._open[numbers[taken]] = opened
            else:
                inside[taken] = opened
        for opened in inside.values():  # a result that shares memory in its fake run
            self._add(opened, self._tick(), "workspace")

    def _hold(self, number: int, root: int) -> None:
        """Memory of that number is really that of another."""
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
        event = opened.event
        self.done.append(Allocation(opened.bytes, opened.born, dies, event.path, event.phase, kind))

    def _tick(self) -> int:
        self.clock += 1
        return self.clock
