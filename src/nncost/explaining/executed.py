"""What a step runs, layer by layer: the items of a graph, or the kernels that a framework ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from nncost.dims import Dim, sum_over
from nncost.explaining.derivation import constant_tensors
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Phase, Region, Tensor
from nncost.ir.ops import operation_name
from nncost.pipeline.count import Counted
from nncost.records import record

if TYPE_CHECKING:
    from nncost.ir.trace import Kernel, Trace

Loops = tuple[ops.Repeat, ...]
Place = tuple[str, str, Phase]
"""Path, operation and phase: a row of the ledger."""


@record(eq=False)
class Executed:
    """An item that runs ``times`` times for a layer and phase, inside loops on whose index its sizes depend.

    ``operands`` are what it is given, ``constants`` tensors that cost nothing, ``before`` the nodes that make those of
    its kernel, ``origins`` regions of the forward pass that it is known to be a gradient of. Without ``is_layer`` its
    outputs are not neurons.
    """

    item: Item
    place: Place
    times: Dim
    family: Loops
    operands: tuple[Tensor, ...]
    constants: Collection[Tensor]
    origins: tuple[Region, ...] = ()
    before: tuple[Node, ...] = ()
    is_layer: bool = True


def executed(counted: Counted) -> list[Executed]:
    """Return everything that one micro-batch of a step runs, in order; items of one kernel share their constants."""
    trace = counted.model.trace
    return list(_of_graph(counted.step.graph.items) if trace is None else _of_trace(trace))


def _of_graph(items: Sequence[Item]) -> Iterator[Executed]:
    constants = constant_tensors(items)
    for item, loops in walk_layers(items, ()):
        yield Executed(item, (item.path, _name(item), item.phase), *repetition(loops), item.inputs, constants)


def _of_trace(trace: Trace) -> Iterator[Executed]:
    """Calls of one kernel for one layer stand where the first of them ran."""
    kernels: dict[Kernel, list[Executed]] = {}
    times = Counter((call.kernel, call.path, call.phase, call.op, call.neurons) for call in trace.calls())
    for (kernel, path, phase, op, neurons), number in times.items():
        if kernel not in kernels:
            kernels[kernel] = list(_of_kernel(kernel))
        for each in kernels[kernel]:
            place: Place = (path, op or each.place[1], phase)
            yield Executed(
                each.item, place, each.times * number, each.family, each.operands, each.constants, each.origins,
                each.before, neurons,
            )  # fmt: skip


def _of_kernel(kernel: Kernel) -> Iterator[Executed]:
    items, given = kernel.graph.items, kernel.graph.inputs
    constants = constant_tensors(items)
    origins = tuple(i for i in items if isinstance(i, Region) and i.phase != kernel.own)
    fixed = tuple(i for i in items if isinstance(i, Node) and isinstance(i.op, ops.Constant))
    for item, loops in walk_layers(items, ()):
        if item.phase == kernel.own and item not in fixed:
            yield Executed(item, ("", _name(item), item.phase), *repetition(loops), given, constants, origins, fixed)


def _name(item: Item) -> str:
    return item.layer.name if isinstance(item, Region) else operation_name(item.op)


# ------------------------------------------------------------------- loops
def walk_layers(items: Sequence[Item], loops: Loops) -> Iterator[tuple[Item, Loops]]:
    """Regions and single nodes with the loops around them; regions are not entered."""
    for item in items:
        if isinstance(item, Node) and isinstance(item.op, ops.Repeat):
            yield from walk_layers(item.op.body.items, (*loops, item.op))
        else:
            yield item, loops


def repetition(loops: Loops) -> tuple[Dim, Loops]:
    """How often the inside of some loops runs, and the loops whose index its sizes depend on."""
    times: Dim = 1
    for loop in loops:
        times = times * loop.times if loop.index is None else times
    return times, tuple(loop for loop in loops if loop.index is not None)


def summed_over(amount: Dim, family: Loops) -> Dim:
    """Return the sum of an amount over the indices of a family of loops."""
    for loop in reversed(family):
        assert loop.index is not None
        amount = sum_over(amount, loop.index, loop.start, loop.last)
    return amount
