"""From a derived step's graph to its allocations: each kernel takes what others read of it, and frees what nobody will.

Kernels are those of ``counting.kernels``: what one computes inside takes no bytes, views take none, constants
none, and an update writes over the old parameters and states. A Repeat takes what its iterations, one after
another, take; ``loops.py`` says how that is known without running them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nncost.counting.memory.buffers import Slot
from nncost.counting.memory.loops import most_walks, run_loop
from nncost.counting.memory.walker import Plans, Walker
from nncost.dims import add_all
from nncost.ir.graph import Graph, Parameter, Tensor
from nncost.ir.storage import Allocation, Timeline

MOST_WALKED = 100_000
"""Kernels that are looked at again, as those of loops within loops are for each iteration of the outer one."""
RAGGED = "Activations and peaks have no closed form where every layer has a width of its own."
NESTED = "Activations and peaks are not worked out: its blocks are repeated within each other too many times."


class NoTimelineError(Exception):
    """There is no timeline; the message says why."""


@dataclass(frozen=True, slots=True)
class Roles:
    """What the tensors of a step's graph are for.

    ``kept`` are wanted when the step is over, ``in_place`` are written over what is there already,
    ``gradients`` belong to parameters; ``gathered`` says that earlier micro-batches left theirs.
    """

    kept: Sequence[Tensor]
    in_place: frozenset[Tensor] = frozenset()
    gradients: Mapping[Parameter, Tensor] = field(default_factory=dict)
    gathered: bool = False


def timeline_of(graph: Graph, plans: Plans, roles: Roles) -> Timeline:
    """The allocations of one step.

    Raises NoTimelineError where a loop's sizes change with its iteration, or loops are nested too deep to be walked.
    """
    if any(loop.index is not None for plan in plans.values() for loop in plan.loops):
        raise NoTimelineError(RAGGED)
    if _walked(graph, plans, {}) > MOST_WALKED + sum(len(plan.kernels) for plan in plans.values()):
        raise NoTimelineError(NESTED)
    walker = Walker(plans, roles.in_place, run_loop)
    walker.run(graph)
    for tensor in roles.kept:
        for slot in walker.held(tensor).slots:
            slot.outlives = True
    walker.keep_gradients(roles.gradients, gathered=roles.gathered)
    forward_ends = walker.forward_ends if walker.forward_ends is not None else walker.position + 1
    is_training = walker.forward_ends is not None
    saved = [
        s.bytes for s in walker.slots if s.kind == "value" and s.born < forward_ends and (s.outlives or s.last >= forward_ends)
    ]  # fmt: skip
    return Timeline(tuple(_ticked(walker.slots)), add_all(saved) if is_training else 0)


def _walked(graph: Graph, plans: Plans, known: dict[Graph, int]) -> int:
    """How many kernels are looked at: those of a loop's body several times, at each level of nesting."""
    if graph not in known:
        plan = plans[graph]
        inner = sum(most_walks(loop.times) * _walked(loop.body, plans, known) for loop in plan.loops)
        known[graph] = len(plan.kernels) + 1 + inner
    return known[graph]


def _ticked(slots: Sequence[Slot]) -> list[Allocation]:
    """Allocations with a moment for each event: at one position first what is born, then what dies."""
    events = [(slot.born, 0, number) for number, slot in enumerate(slots)]
    events += [(slot.last, 1, number) for number, slot in enumerate(slots) if not slot.outlives]
    events.sort()
    born, dies = [0] * len(slots), [len(events)] * len(slots)
    for moment, (_, is_end, number) in enumerate(events):
        (dies if is_end else born)[number] = moment
    order = sorted(range(len(slots)), key=born.__getitem__)
    return [
        Allocation(s.bytes, born[i], None if s.outlives and s.kind == "value" else dies[i], s.path, s.phase, s.kind)
        for i in order
        for s in (slots[i],)
    ]
