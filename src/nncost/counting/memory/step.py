"""The memory of one step of a loaded model: what is resident, the timeline, its peaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nncost.counting.memory.liveness import KernelsOf, NoTimelineError, Roles, timeline_of
from nncost.counting.memory.memory import Memory
from nncost.counting.memory.peaks import peaks_of
from nncost.counting.memory.timeline import NoPeaksError, Peaks
from nncost.dims import Dim, add_all, is_symbolic, largest, parts_of
from nncost.frontends.model import Model
from nncost.ir.storage import Allocation, Timeline
from nncost.ir.training.step import StepGraph
from nncost.records import record, replace
from nncost.units import counted

EXACT, CUDA = "exact", "cuda"
ALLOCATORS = (EXACT, CUDA)
"""Every byte as it was asked for, or in the blocks of PyTorch's caching allocator."""
NO_OPERATIONS = "A file of parameters has no operations: activations and peaks are not known."
NO_TIMELINE = "Activations and peaks are not known: this step's allocations were not followed."
LOOP = "Peaks hold where each loop whose length is a symbol runs at least 4 times."
UNKNOWN = "Of an unknown operation only the outputs are counted."
MICRO_BATCHES = "Peaks of a later micro-batch, whose gradients are taken to be added to the earlier ones one by one."
BLOCKS = "In blocks of PyTorch's allocator for CUDA, one stream; a GPU's own kernels may take other workspace."
BY_SHAPES = "Values decide over this step, and only shapes are given: its memory may be another. Give tensors."
UNLEARNED_SHOWN = 5


@record
class Resident:
    """What is there before the step, each tensor in bytes; None where it is not known."""

    parameters: tuple[Dim, ...]
    buffers: tuple[Dim, ...]
    states: tuple[Dim, ...] | None
    inputs: tuple[Dim, ...] | None

    @property
    def blocks(self) -> tuple[Dim, ...] | None:
        """Every tensor."""
        if self.states is None or self.inputs is None:
            return None
        return (*self.parameters, *self.buffers, *self.states, *self.inputs)


def memory_of(
    model: Model,
    step: StepGraph,
    kernels: KernelsOf,
    *,
    accumulate: int = 1,
    complete: bool = True,
    allocator: str = EXACT,
) -> Memory:
    """The memory of one step; ``kernels`` are the kernels of its graph, where it has one."""
    timeline, notes = _timeline(model, step, kernels, accumulate)
    there = _resident(model, step, is_known=timeline is not None)
    is_exact = timeline is not None and not notes
    if timeline is not None and model.trace is None:
        notes += _cautions(kernels)
        is_exact = complete
        notes += [] if complete else [UNKNOWN]
    memory = _memory(there, [p.gradient_bytes for p in step.gradients], timeline, notes, is_exact)
    if allocator == CUDA and timeline is not None:
        from nncost.counting.memory.caching_allocator import with_blocks

        boxed = with_blocks(memory, timeline, there.blocks or ())
        return replace(boxed, exact=False, notes=(*memory.notes, BLOCKS))
    return memory


def allocations_of(model: Model, step: StepGraph, kernels: KernelsOf, accumulate: int) -> Timeline | None:
    """Return the allocations of a step, or None where they are not known."""
    return _timeline(model, step, kernels, accumulate)[0]


def _timeline(model: Model, step: StepGraph, kernels: KernelsOf, accumulate: int) -> tuple[Timeline | None, list[str]]:
    """The step's allocations and what they leave out, or the reason why there are none."""
    if model.trace is not None:
        timeline = model.timeline
        if timeline is None:
            return None, [NO_TIMELINE]
        notes = [*([BY_SHAPES] if timeline.by_shapes else []), *_unknown_workspace(timeline)]
        return (timeline, notes) if accumulate == 1 else (_gathering(timeline), [*notes, MICRO_BATCHES])
    if not step.graph.items and not step.graph.outputs:
        return None, [NO_OPERATIONS]
    try:
        return timeline_of(step.graph, kernels, _roles(step, accumulate)), []
    except NoTimelineError as reason:
        return None, [str(reason)]


def _cautions(kernels: KernelsOf) -> list[str]:
    return [LOOP] if any(is_symbolic(loop.times) for each in kernels.values() for loop in each.loops) else []


def _roles(step: StepGraph, accumulate: int) -> Roles:
    if step.loss is None:
        return Roles(step.graph.outputs)
    updated = frozenset((*step.updated.values(), *(s for states in step.states.values() for s in states)))
    return Roles((step.loss,), updated, step.gradients, accumulate > 1)


def _gathering(timeline: Timeline) -> Timeline:
    """The step of a later micro-batch: the gradients so far are there, each new one is added and freed."""
    gathered, first = [], min((a.born for a in timeline.allocations), default=0)
    fresh: list[Allocation] = []
    for number, a in enumerate(timeline.allocations):
        if a.kind == "gradient":
            gathered.append(replace(a, born=first - 1 - number))
            fresh.append(replace(a, kind="value", dies=a.born + 1))
        else:
            fresh.append(a)
    return replace(timeline, allocations=(*gathered, *fresh))


def _unknown_workspace(timeline: Timeline) -> list[str]:
    if not timeline.unknown_workspace:
        return []
    names = list(dict.fromkeys(timeline.unknown_workspace))
    shown = ", ".join(names[:UNLEARNED_SHOWN]) + (" …" if len(names) > UNLEARNED_SHOWN else "")
    if any(is_symbolic(a.bytes) for a in timeline.allocations):
        return [
            f"The workspace of {counted(len(names), 'operator')} has no formula, so a peak at numbers is higher: {shown}."
        ]
    return [f"The workspace of {counted(len(names), 'operator')} is not known here, so a peak may be higher: {shown}."]


def _resident(model: Model, step: StepGraph, *, is_known: bool) -> Resident:
    learned = tuple(p.bytes for p in model.graph.parameters if p.role != "buffer")
    buffers = tuple(p.bytes for p in model.graph.parameters if p.role == "buffer")
    if model.trace is not None:
        if not is_known:
            return Resident(learned, buffers, None if step.gradients else (), None)
        return Resident(learned, buffers, _state_blocks(model), (model.input_bytes,))
    if not step.graph.outputs:
        return Resident(learned, buffers, (), None)
    states = tuple(state.bytes for group in step.states.values() for state in group)
    inputs = step.graph.inputs[: len(step.graph.inputs) - len(states)]
    return Resident(learned, buffers, states, tuple(x.bytes for x in inputs))


def _state_blocks(model: Model) -> tuple[Dim, ...]:
    """An optimizer's state: as many tensors like each parameter as it holds, and the rest in one."""
    sizes = [p.bytes for p in model.trained]
    whole = add_all(sizes)
    if is_symbolic(model.state_bytes) or is_symbolic(whole) or whole == 0:
        return (model.state_bytes,)
    copies, rest = divmod(model.state_bytes, whole)
    return (*(size for size in sizes for _ in range(copies)), *([rest] if rest else []))


def _memory(
    there: Resident, gradients: Iterable[Dim], timeline: Timeline | None, notes: Sequence[str], is_exact: bool
) -> Memory:
    resident = add_all(there.blocks or ())
    peaks: Peaks | None = None
    try:
        peaks = None if timeline is None else peaks_of(timeline, resident)
    except NoPeaksError as reason:
        notes, is_exact = [*notes, str(reason)], False
    return Memory(
        parameters=add_all(there.parameters),
        buffers=add_all(there.buffers),
        optimizer_state=None if there.states is None else add_all(there.states),
        inputs=None if there.inputs is None else add_all(there.inputs),
        gradients=add_all(gradients),
        activations=None if timeline is None else timeline.saved,
        workspace=None if peaks is None else peaks.workspace,
        forward_peak=None if peaks is None else _above(resident, peaks.forward),
        step_peak=None if peaks is None else _step_peak(peaks, resident),
        step_peak_at=_place(peaks)[0],
        step_peak_phase=_place(peaks)[1],
        resident=None if there.blocks is None else resident,
        forward_allocated=None if peaks is None else peaks.forward,
        step_allocated=None if peaks is None else peaks.step,
        exact=is_exact,
        notes=tuple(notes),
        candidates=peaks.candidates if peaks is not None and len(peaks.candidates) > 1 else (),
        timeline=() if peaks is None else peaks.rows,
    )


def _above(resident: Dim, allocated: Dim) -> Dim:
    """What is resident and a peak on top of it; the largest of sums where that is the largest of formulas."""
    return largest([resident + part for part in parts_of(allocated)])


def _step_peak(peaks: Peaks, resident: Dim) -> Dim:
    if len(peaks.candidates) < 2:
        return resident + peaks.step
    return largest([candidate.bytes for candidate in peaks.candidates])


def _place(peaks: Peaks | None) -> tuple[str | None, str | None]:
    """The layer and phase of the peak, where all candidates agree on it."""
    places = [] if peaks is None else [(c.path, c.phase) for c in peaks.candidates]
    paths, phases = {path for path, _ in places}, {phase for _, phase in places}
    return (paths.pop() if len(paths) == 1 else None), (phases.pop() if len(phases) == 1 else None)
