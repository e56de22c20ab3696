"""A module's timeline: the events of one step, and the workspace of its operators, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from torch import nn

from nncost.dims import Dim, add_all, substitute
from nncost.frontends.model import Inputs, LoadOptions
from nncost.frontends.torch.allocation.known_results import known_from
from nncost.frontends.torch.allocation.memory_call import CallEvent, MemoryCall
from nncost.frontends.torch.allocation.repeated.events import BlockEvents, Numbers, first_of
from nncost.frontends.torch.allocation.repeated.rows import repeated_rows
from nncost.frontends.torch.allocation.tracker import AllocationTracker
from nncost.frontends.torch.allocation.workspace_cache import WorkspaceCache
from nncost.frontends.torch.allocation.workspace_probe import Workspace
from nncost.frontends.torch.allocation.workspace_rules import SCALAR_BYTES
from nncost.frontends.torch.step.loss import wants_backward
from nncost.frontends.torch.step.run import StepSettings, run_step, symbols_of
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.trace import Traced
from nncost.ir.graph import Phase
from nncost.ir.storage import Allocation, AllocationKind, Timeline, in_symbols
from nncost.ir.trace import joined
from nncost.records import replace

_NOTHING = Workspace((), ())


def timeline_of(
    module: nn.Module,
    given: Inputs,
    options: LoadOptions,
    traced: Traced,
) -> tuple[Timeline | None, int, Dim]:
    """The timeline of a step, the bytes of the optimizer's state, and those of inputs and targets.

    The step runs once, in the way in which it was traced. No timeline if it cannot run so again: the operations are
    counted all the same. Blocks that were found equal are followed at both ends of each row; if their memory turns out
    not to be equal, the step runs again.
    """
    cache = WorkspaceCache(options.learn)
    settings = traced.settings
    multiples = None if settings.sizes is None else settings.sizes.multiples
    sizes = symbols_of(module, given, options, multiples)
    known = known_from(traced.tracer.signatures.values()) if sizes is None else {}
    rows = repeated_rows(traced.groups, trains=wants_backward(options)) if sizes is None else []
    optimizer = options.steps.optimizer
    for repeated in (rows, []) if rows else ([],):
        tracker = AllocationTracker(known, cache.actual_outputs, repeated, updates=optimizer not in (None, "none"))
        left_out = [layer for row in repeated for layer in row.left_out()]
        step = StepSettings(
            real=settings.real, sampled=settings.sampled, exported=settings.exported, sizes=sizes, as_loop=True,
            deferred=left_out, guard=traced.step.guard,
        )  # fmt: skip
        try:
            run_step(module, given, options, tracker, step)
            if sizes is not None:
                sizes.check()
            break
        except (Exception, NotEqual):  # noqa: BLE001 - the module's own code runs; its count has succeeded
            if not repeated:
                return None, 0, 0
    timeline = _Builder(cache.of, frozenset(tracker.gradients)).timeline(tracker.events, tracker.forward_events)
    cache.keep()
    unknown = (*tracker.other_formulas, *sorted(cache.missing))
    meaning = {} if sizes is None else sizes.meaning
    return (
        replace(
            in_symbols(timeline, meaning), unknown_workspace=unknown, by_shapes=settings.sampled or settings.exported
        ),
        tracker.state_bytes,
        substitute(tracker.input_bytes, meaning) if meaning else tracker.input_bytes,
    )


@dataclass(slots=True)
class _Open:
    """Memory that is held: its bytes, since when, and the layer and phase that took it."""

    bytes: Dim
    born: int
    path: str
    phase: Phase


class _SameNumbers:
    """The numbers of events that are at their own place."""

    def __getitem__(self, number: int) -> int:
        return number


_SAME = _SameNumbers()


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
    _of_gradients: set[int] = field(default_factory=set)

    def timeline(self, events: Sequence[Any], forward_ends: int) -> Timeline:
        """The timeline of events; the forward pass ends before the event of that position."""
        for position, event in enumerate(events):
            if position == forward_ends:
                self._forward_ended()
            following = first_of(events[position + 1]) if position + 1 < len(events) else None
            if isinstance(event, int):
                self._freed(event)
            elif isinstance(event, BlockEvents):
                self._repeated(event, following)
            else:
                self._called(event, following, _SAME, event.path)
        if forward_ends >= len(events):
            self._forward_ended()
        for number in list(self._open):
            self._close(number, None)
        return Timeline(tuple(sorted(self.done, key=attrgetter("born"))), self.saved)

    def _repeated(self, block: BlockEvents, after: Any) -> None:
        """The events of a block at the place of an equal one."""
        events, numbers = block.events, block.numbers
        paths: dict[str, str] = {}
        last = len(events) - 1
        for position, event in enumerate(events):
            if isinstance(event, int):
                self._freed(numbers[event])
                continue
            following = after if position == last else events[position + 1]
            if position != last and isinstance(following, int):
                following = numbers[following]
            path = paths.get(event.path)
            if path is None:
                path = paths[event.path] = joined(block.path, event.path)
            self._called(event, following, numbers, path)

    def _forward_ended(self) -> None:
        self.saved = add_all(found.bytes for found in self._open.values())

    def _called(self, event: CallEvent, following: Any, numbers: Numbers, path: str) -> None:
        if event.reusable_input is not None:
            reused = numbers[event.reusable_input]
            if event.reuses or reused == following:
                self._hold(numbers[event.allocated[0]], self._root.get(reused, reused))
                workspace = None if event.inplace_form is None else self.workspace_of(event.inplace_form)
                self._replay(workspace or _NOTHING, CallEvent(event.call, (), "", event.phase), numbers, path)
                return
        workspace = self.workspace_of(event.call)
        if workspace is None:
            for number, size in zip(event.allocated, event.call.sizes, strict=True):
                self.clock += 1
                self._open[numbers[number]] = _Open(size, self.clock, path, event.phase)
        else:
            self._replay(workspace, event, numbers, path)

    def _replay(self, workspace: Workspace, event: CallEvent, names: Numbers, path: str) -> None:
        """The allocations of a call whose workspace is known."""
        numbers: dict[int, int] = {}
        for number, position in zip(event.allocated, event.call.positions, strict=False):
            holder = workspace.results[position]
            if holder in numbers:
                self._hold(names[number], numbers[holder])
            elif holder:
                numbers[holder] = names[number]
        steps = workspace.allocations
        if event.saved_scalar is not None and steps and steps[0] <= SCALAR_BYTES:
            numbers[1] = names[event.saved_scalar]
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
            opened = _Open(step, self._tick(), path, event.phase)
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
        if number in self.gradients:
            self._of_gradients.add(root)

    def _freed(self, number: int) -> None:
        root = self._root.get(number, number)
        self._holders[root] = holders = self._holders.get(root, 1) - 1
        if not holders and root in self._open:
            self._close(root, self._tick())

    def _close(self, number: int, moment: int | None) -> None:
        is_gradient = number in self.gradients or number in self._of_gradients
        self._add(self._open.pop(number), moment, "gradient" if is_gradient else "value")

    def _add(self, opened: _Open, dies: int | None, kind: AllocationKind) -> None:
        self.done.append(Allocation(opened.bytes, opened.born, dies, opened.path, opened.phase, kind))

    def _tick(self) -> int:
        self.clock += 1
        return self.clock
