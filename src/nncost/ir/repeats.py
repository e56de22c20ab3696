"""The gradient of Repeat: a Repeat that runs the other way.

The forward Repeat stacks the tensors its backward reads. Iterations whose gradients differ from
the others are peeled first: the first one where the initial state needs no gradient (layer 1
has no input gradient), the last where a final state is not used. A tensor all iterations share
stacks its T gradients, which are then added with T−1 additions.

Miniature, T = 3, h' = w·h from h0 = 0, loss on the last h only: iteration 1 has no gradient of
h0 (peeled), 2 and 3 form the Repeat, w receives g1, g2, g3 and two additions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nncost.dims import Dim, is_symbolic
from nncost.ir import ops
from nncost.ir.autodiff import PEELED, Tape, active_tensors, differentiate, sweep
from nncost.ir.builder import Builder, outer_tensors
from nncost.ir.free import free_nodes
from nncost.ir.graph import Graph, Item, Node, Region, Tensor
from nncost.ir.shapes import stacked_shape
from nncost.records import record, replace


def repeat_gradient(tape: Tape, node: Node, gradients: Sequence[Tensor | None]) -> None:
    """Give a Repeat's inputs their gradients, peeling iterations where they differ."""
    op = node.op
    assert isinstance(op, ops.Repeat)
    first, last = _iterations_to_peel(tape, node, op, gradients)
    if first or last:
        items = _peel(node, op, first, last)
        tape.replace(node, items)
        sweep(tape, items)
    else:
        _reverse_repeat(tape, node, op, gradients)
    if node.origin != PEELED:  # The last of a peeled loop's parts is handled: what they share is complete.
        for shared in node.inputs[op.carried + op.scanned :]:
            tape.take(shared)


# -------------------------------------------------------------------- which iterations differ
def _iterations_to_peel(tape: Tape, node: Node, op: ops.Repeat, gradients: Sequence[Tensor | None]) -> tuple[int, int]:
    active_body = _active_in_body(tape, node, op)
    carried = range(op.carried)
    steady_active = {i for i in carried if op.body.inputs[i] in active_body}
    first = int(any(i in steady_active and node.inputs[i] not in tape.active for i in carried))
    stacked = {t for t, g in zip(op.body.outputs[op.carried :], gradients[op.carried :], strict=True) if g is not None}
    arriving = {i for i in carried if gradients[i] is not None}
    last = 0
    while True:
        reached = active_body & (stacked | {op.body.outputs[i] for i in arriving})
        _reach(op.body.items, active_body, reached)
        leaving = {i for i in carried if op.body.inputs[i] in reached}
        if leaving == arriving:
            break
        arriving, last = leaving, last + 1
    if not is_symbolic(op.times):
        first = min(first, op.times)
        last = min(last, op.times - first)
    return first, last


def _active_in_body(tape: Tape, node: Node, op: ops.Repeat) -> set[Tensor]:
    """Active tensors of the body in a middle iteration: carried values become active when their output does."""
    active = {inner for inner, outer in zip(op.body.inputs, node.inputs, strict=True) if outer in tape.active}
    while True:
        active = active_tensors(op.body.items, active)
        grown = {op.body.inputs[i] for i in range(op.carried) if op.body.outputs[i] in active} - active
        if not grown:
            return active
        active |= grown


def _reach(items: Sequence[Item], active: Collection[Tensor], reached: set[Tensor]) -> None:
    """Let ``reached``, the active tensors that a gradient arrives at, grow against the order of the items."""
    for item in reversed(items):
        if isinstance(item, Region) and item.gradient is None:
            _reach(item.items, active, reached)
        elif not reached.isdisjoint(item.outputs):
            reached.update(tensor for tensor in item.inputs if tensor in active)


# -------------------------------------------------------------------- peeling
def _peel(node: Node, op: ops.Repeat, first: int, last: int) -> list[Item]:
    """The same Repeat with the ``first`` and the ``last`` iterations it runs written out."""
    b = Builder(path=node.path, phase=node.phase)
    b.origin = PEELED
    middle = op.times - first - last
    below, above = (last, first) if op.reverse else (first, last)
    sizes: list[Dim] = [1] * below + ([middle] if middle != 0 else []) + [1] * above
    carried, scanned = list(node.inputs[: op.carried]), node.inputs[op.carried : op.carried + op.scanned]
    invariant = node.inputs[op.carried + op.scanned :]
    pieces = [b.split(tensor, sizes, 0) for tensor in scanned]
    stacks: list[list[Tensor]] = [[] for _ in op.body.outputs[op.carried :]]
    order = range(len(sizes) - 1, -1, -1) if op.reverse else range(len(sizes))
    for number in order:
        whole = middle != 0 and number == below
        inputs = [*carried, *(piece[number] for piece in pieces), *invariant]
        if whole:
            results = list(b.emit_many(replace(op, times=middle), *inputs))
        else:
            inputs[op.carried : op.carried + op.scanned] = [
                b.reshape(tensor, tensor.shape[1:]) for tensor in inputs[op.carried : op.carried + op.scanned]
            ]
            results = _inline(b, op.body, inputs)
        carried = results[: op.carried]
        for stack, result in zip(stacks, results[op.carried :], strict=True):
            stack.append(result if whole else b.unsqueeze(result, 0))
    for output, final in zip(node.outputs, carried, strict=False):
        _alias(b, ops.Reshape(final.shape), [final], output)
    for output, stack in zip(node.outputs[op.carried :], stacks, strict=True):
        _alias(b, ops.Concat(0), stack[::-1] if op.reverse else stack, output)
    return b.items


def _alias(b: Builder, op: ops.Op, inputs: Sequence[Tensor], output: Tensor) -> None:
    """Compute an existing tensor by another node."""
    b.items.append(Node(op, tuple(inputs), (output,), b.path, b.phase, PEELED))


def _inline(b: Builder, body: Graph, inputs: Sequence[Tensor]) -> list[Tensor]:
    mapping = dict(zip(body.inputs, inputs, strict=True))
    b.items.extend(_clone(body.items, mapping))
    return [mapping[tensor] for tensor in body.outputs]


def _clone(items: Sequence[Item], mapping: dict[Tensor, Tensor]) -> list[Item]:
    """The same items on other tensors; ``mapping`` learns each new one."""

    def renamed(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(mapping.get(tensor, tensor) for tensor in tensors)

    result: list[Item] = []
    for item in items:
        if isinstance(item, Region):
            inside = tuple(_clone(item.items, mapping))
            result.append(
                replace(
                    item,
                    items=inside,
                    inputs=renamed(item.inputs),
                    outputs=renamed(item.outputs),
                    saved=renamed(item.saved),
                    effects=renamed(item.effects),
                )
            )
        else:
            mapping.update((tensor, replace(tensor)) for tensor in item.outputs)
            result.append(replace(item, inputs=renamed(item.inputs), outputs=renamed(item.outputs)))
    return result


# -------------------------------------------------------------------- the reversed loop
@record
class _Arrival:
    """A gradient at an output of the Repeat: the body's output, what stands for its gradient there, and the whole."""

    output: Tensor
    inner: Tensor
    outer: Tensor


def _arrivals(outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[_Arrival]:
    return [
        _Arrival(output, Tensor(output.shape, output.dtype), gradient)
        for output, gradient in zip(outputs, gradients, strict=True)
        if gradient is not None
    ]


def _reverse_repeat(tape: Tape, node: Node, op: ops.Repeat, gradients: Sequence[Tensor | None]) -> None:
    """Emit the Repeat that runs the other way and hand its results to the Repeat's inputs."""
    body, b = op.body, tape.builder
    flowing = [i for i in range(op.carried) if gradients[i] is not None]
    heads = [body.inputs[i] for i in flowing]
    carried = _arrivals(body.outputs[: op.carried], gradients[: op.carried])
    stacked = _arrivals(body.outputs[op.carried :], gradients[op.carried :])
    inner = Builder(dtype=b.dtype, training=b.training, path=node.path, phase="backward")
    outer = dict(zip(body.inputs, node.inputs, strict=True))
    wanted = {tensor: node.path for tensor in body.inputs if outer[tensor] in tape.active or tensor in heads}
    seeds = [(arrival.output, arrival.inner) for arrival in (*carried, *stacked)]
    found, forward_items = differentiate(inner, body.items, seeds, wanted)

    slices = [tensor for tensor in body.inputs[op.carried : op.carried + op.scanned] if tensor in found]
    shared = [tensor for tensor in body.inputs[op.carried + op.scanned :] if tensor in found]
    results = [found[tensor] for tensor in (*heads, *slices, *shared)]
    read = _read_by_backward(inner, forward_items, results, {arrival.inner for arrival in (*carried, *stacked)})
    saved = _save(tape, node, op, forward_items, [tensor for tensor in read if tensor not in body.inputs[op.carried :]])

    scanned = {arrival.inner: arrival.outer for arrival in stacked} | saved
    scanned |= {t: outer[t] for t in body.inputs[op.carried : op.carried + op.scanned] if t in read}
    invariant = {t: outer[t] for t in body.inputs[op.carried + op.scanned :] if t in read}
    inputs = (*(arrival.inner for arrival in carried), *scanned, *invariant)
    graph = Graph(inputs, (), tuple(results), tuple(inner.items))
    backward = ops.Repeat(graph, op.times, len(heads), len(scanned), not op.reverse, op.index, op.start)
    sources = (*(arrival.outer for arrival in carried), *scanned.values(), *invariant.values())
    made = dict(zip((*heads, *slices, *shared), b.emit_many(backward, *sources), strict=True))
    for tensor in (*heads, *slices):
        tape.give(outer[tensor], made[tensor])
    for tensor in shared:
        tape.give_stack(outer[tensor], made[tensor])


def _read_by_backward(
    inner: Builder, forward_items: Sequence[Item], results: Sequence[Tensor], known: set[Tensor]
) -> list[Tensor]:
    """What the backward body reads of the forward one; constants and views it makes again by itself."""
    free = free_nodes(forward_items, outer_tensors(inner.items, results, known))
    inner.items[:0] = [replace(node, phase="backward") for node in free]
    return outer_tensors(inner.items, results, known)


def _save(
    tape: Tape, node: Node, op: ops.Repeat, forward_items: tuple[Item, ...], tensors: Sequence[Tensor]
) -> dict[Tensor, Tensor]:
    """Let the forward Repeat stack these tensors of its body; the stack of each."""
    stacks = {tensor: Tensor(stacked_shape(op, tensor.shape), tensor.dtype) for tensor in tensors}
    forward = replace(op, body=replace(op.body, items=forward_items, outputs=(*op.body.outputs, *stacks)))
    tape.replace(node, [replace(node, op=forward, outputs=(*node.outputs, *stacks.values()))])
    return stacks
