"""What a Repeat takes: as if all its iterations were written out, known from three or four of them.

The first iteration starts from other memory than the next ones, and the last frees what it is the last to read.
In between, the bytes in use change by the same amount from one iteration to the next (what it leaves in stacks,
less what it uses up of others), so that they are highest at either end. Groups of iterations are the first, the
second, those up to the last but one, the last but one, the last. The first and the last two are walked, the second
too where a loop uses stacks up; what the others leave behind is scaled.

Miniature, T = 6 iterations that each leave a 4-byte activation: groups of 1, 1, 2, 1 and 1 iterations leave
4, 4, 8, 4 and 4 bytes. The loop that runs back frees 4, then 4, then 8, then 4, then 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from nncost.counting.memory.buffers import NOTHING, Holding, Slot, union
from nncost.dims import Dim, is_symbolic
from nncost.ir import ops
from nncost.ir.graph import Graph, Node, Phase, Tensor
from nncost.records import record

ENDS = 4
"""Iterations that are groups of their own: two at each end."""


class Walker(Protocol):
    """What runs a graph node by node and notes the memory behind its tensors."""

    position: int
    holdings: dict[Tensor, Holding]

    def held(self, tensor: Tensor) -> Holding:
        """Return the memory behind a tensor."""

    def take(self, size: Dim, path: str, phase: Phase) -> Slot:
        """Allocate at this position, in the name of a layer."""

    def take_like(self, like: Slot, times: Dim) -> Slot:
        """Allocate ``times`` as much as a slot has, in the name of its layer."""

    def touch(self, slots: Iterable[Slot]) -> None:
        """Keep memory in use at this position."""

    def run(self, graph: Graph) -> None:
        """Run the nodes of a graph."""


def groups_of(times: Dim) -> list[Dim]:
    """How many iterations each group has."""
    if is_symbolic(times) or times > ENDS:
        return [1, 1, times - ENDS, 1, 1]
    return [1] * int(times)


def visited_iterations(times: Dim) -> int:
    """How many iterations of a loop are visited at most."""
    return min(len(groups_of(times)), ENDS)


@record
class _Pass:
    """What an iteration started from and left behind."""

    began: int
    state: Sequence[Holding]
    carried: Sequence[Holding]
    stacked: Sequence[Holding]


def run_loop(walker: Walker, node: Node, op: ops.Repeat, totals: Mapping[Tensor, Tensor]) -> None:
    """Run a Repeat's iterations; gradients that are only added up (``totals``) are gathered in one slice."""
    groups = groups_of(op.times)
    scanned = [
        _parts(walker.held(tensor), len(groups), op.reverse)
        for tensor in node.inputs[op.carried : op.carried + op.scanned]
    ]
    kept = [output not in totals for output in node.outputs[op.carried :]]
    loop = _Loop(walker, node, op, scanned, kept)
    for output in node.outputs[op.carried :]:
        total = totals.get(output)
        if total is not None and total not in walker.holdings:
            slot = walker.take(total.bytes, node.path, node.phase)
            walker.holdings[total] = Holding((slot,))
    uses_up = any(held.parts for held in map(walker.held, node.inputs[op.carried : op.carried + op.scanned]))
    last = len(groups) - 1
    walked = {0, last - 1, last} | ({1} if uses_up else set())
    passes: list[_Pass] = []
    state: Sequence[Holding] = [walker.held(tensor) for tensor in node.inputs[: op.carried]]
    example = None
    for number, count in enumerate(groups):
        if example is None or number in walked:
            done = example = loop.walk(number, state)
        else:
            done = loop.scale(number, count, state, example)
        passes.append(done)
        state = done.carried
    results = list(state)
    for number in range(len(kept)):
        parts = [done.stacked[number] for done in passes]
        results.append(union(parts[::-1] if op.reverse else parts, keep_parts=True) if kept[number] else NOTHING)
    walker.holdings.update(zip(node.outputs, results, strict=True))


def _parts(held: Holding, count: int, is_reverse: bool) -> Sequence[Holding]:
    """What each group of iterations reads of a stack, in the order they run; all of it where it is in one piece."""
    if len(held.parts) != count:
        return [Holding(held.slots)] * count
    return held.parts[::-1] if is_reverse else held.parts


@record
class _Loop:
    walker: Walker
    node: Node
    op: ops.Repeat
    scanned: Sequence[Sequence[Holding]]
    is_kept: Sequence[bool]

    def walk(self, number: int, state: Sequence[Holding]) -> _Pass:
        """Run the body once, as group ``number``."""
        walker, op, body = self.walker, self.op, self.op.body
        began = walker.position + 1
        outside = [walker.held(tensor) for tensor in self.node.inputs[op.carried + op.scanned :]]
        given = [*state, *(parts[number] for parts in self.scanned), *outside]
        walker.holdings.update(zip(body.inputs, given, strict=True))
        walker.run(body)
        carried = [walker.held(tensor) for tensor in body.outputs[: op.carried]]
        results = zip(body.outputs[op.carried :], self.is_kept, strict=True)
        stacked = [walker.held(tensor) if is_kept else NOTHING for tensor, is_kept in results]
        return _Pass(began, state, carried, stacked)

    def scale(self, number: int, count: Dim, state: Sequence[Holding], like: _Pass) -> _Pass:
        """What ``count`` iterations leave that are like one which was walked."""
        walker, body, op = self.walker, self.op.body, self.op
        walker.position += 1
        for parts in self.scanned:
            walker.touch(parts[number].slots)
        walker.position += 1
        began = walker.position
        inputs = body.inputs[: op.carried]
        saved = set(body.outputs[op.carried :])
        stays = {slot for held in like.stacked for slot in held.slots}
        follows = {slot: i for i, held in enumerate(like.state) for slot in held.slots}
        kept = {i for i, tensor in enumerate(inputs) if tensor in saved} | {follows[s] for s in stays if s in follows}
        stays |= {slot for i in kept for slot in like.carried[i].slots}
        made = _distinct(slot for held in like.carried for slot in held.slots if slot.born >= like.began)
        finals = {slot: walker.take_like(slot, 1) for slot in made}
        others = count - 1
        rests: dict[Slot, Slot] = {}
        if others != 0:
            rests = {slot: walker.take_like(slot, others) for slot in finals if slot in stays}
        copies: dict[Slot, tuple[Slot, ...]] = {slot: (final,) for slot, final in finals.items()}
        copies |= {slot: (rest, finals[slot]) for slot, rest in rests.items()}

        def entered(i: int) -> tuple[Slot, ...]:
            """What iterations start from: the state before them, and what all but the last hand on."""
            return (*state[i].slots, *(rests[s] for s in like.carried[i].slots if s in rests))

        def again(slot: Slot) -> tuple[Slot, ...]:
            if slot.born < like.began:
                return entered(follows[slot]) if slot in follows else (slot,)
            if slot not in copies:
                copies[slot] = (walker.take_like(slot, count),)
            return copies[slot]

        def copy(held: Holding) -> Holding:
            return Holding(_distinct(s for slot in held.slots for s in again(slot)), tuple(map(copy, held.parts)))

        def handed_on(slot: Slot) -> tuple[Slot, ...]:
            if slot in finals:
                return (finals[slot],)
            return state[follows[slot]].slots if slot in follows else again(slot)

        def carry(held: Holding) -> Holding:
            return Holding(_distinct(s for slot in held.slots for s in handed_on(slot)))

        stacked = [
            Holding(_distinct(entered(inputs.index(tensor)))) if tensor in inputs else copy(held)
            for tensor, held in zip(body.outputs[op.carried :], like.stacked, strict=True)
        ]
        return _Pass(began, state, [carry(held) for held in like.carried], stacked)


def _distinct(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    return tuple(dict.fromkeys(slots))
