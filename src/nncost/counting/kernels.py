"""Memory traffic: which nodes form one kernel, and the bytes each kernel reads and writes.

A kernel is a connected part of the innermost composite: a dense layer with its bias is one, the
input, weight and bias gradients of a convolution are three. Each distinct input is read once and
each output that anyone else uses is written once. Views are free; a gather reads the rows it uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all
from nncost.ir import ops
from nncost.ir.autodiff import PEELED
from nncost.ir.free import window_padding
from nncost.ir.graph import Graph, Item, Node, Phase, Region, Tensor
from nncost.records import record

Traffic = tuple[str, str, str, Phase, Quantity, Dim]
_VIEWS = frozenset((*ops.VIEWS, *ops.PIECES))
_IDLE = _VIEWS | {ops.Constant, ops.Repeat, ops.Opaque}


@dataclass(slots=True)
class Kernel:
    """Nodes that run as one, with the row their traffic belongs to."""

    path: str
    op: str
    inner: str
    phase: Phase
    nodes: list[Node] = field(default_factory=list)


@record
class Kernels:
    """The kernels (``groups``) of a graph outside Repeat bodies, and what each reads and leaves for others.

    ``reads`` are by kernel, in bytes of each distinct tensor that it did not make itself; ``escaping``
    are the tensors someone outside their kernel uses; ``effects`` those of them that replace a buffer.
    ``loops`` are the Repeats between the kernels.
    """

    groups: list[Kernel]
    reads: list[dict[Tensor, Dim]]
    escaping: set[Tensor]
    effects: set[Tensor]
    loops: list[ops.Repeat]


def kernels_of(graph: Graph, constants: set[Tensor]) -> Kernels:
    """The kernels of a graph outside Repeat bodies."""
    nodes = list(graph.nodes())
    padding = window_padding(nodes).difference(graph.outputs)
    base = _bases(nodes, padding)
    idle = constants | padding
    kernels = [kernel for group in _groups(graph.items, "", idle) for kernel in _connected(group, base)]
    owner = {
        output: number for number, kernel in enumerate(kernels) for node in kernel.nodes for output in node.outputs
    }
    escaping = {base.get(tensor, tensor) for tensor in graph.outputs}
    reads: list[dict[Tensor, Dim]] = []
    for number, kernel in enumerate(kernels):
        read = _read_by(kernel, base, constants)
        outside = {tensor: amount for tensor, amount in read.items() if owner.get(tensor) != number}
        escaping.update(outside)
        reads.append(outside)
    effects = _effects(graph.items)
    escaping |= _repeat_inputs(nodes, base) | effects
    loops = [node.op for node in nodes if isinstance(node.op, ops.Repeat)]
    return Kernels(kernels, reads, escaping, effects, loops)


def traffic(kernels: Kernels) -> Iterator[Traffic]:
    """Bytes read and written by every kernel."""
    for kernel, read in zip(kernels.groups, kernels.reads, strict=True):
        written = [tensor.bytes for node in kernel.nodes for tensor in node.outputs if tensor in kernels.escaping]
        yield kernel.path, kernel.op, kernel.inner, kernel.phase, "read_bytes", add_all(read.values())
        yield kernel.path, kernel.op, kernel.inner, kernel.phase, "write_bytes", add_all(written)


def _is_view(node: Node) -> bool:
    return type(node.op) in _VIEWS or (node.origin == PEELED and isinstance(node.op, ops.Move))


def _bases(nodes: Sequence[Node], padding: set[Tensor]) -> dict[Tensor, Tensor]:
    """The tensor behind each view. Pieces of a split are read on their own."""
    base: dict[Tensor, Tensor] = {}
    for node in nodes:
        if (_is_view(node) or node.outputs[0] in padding) and not isinstance(node.op, (*ops.PIECES, ops.Concat)):
            source = node.inputs[0]
            base[node.outputs[0]] = base.get(source, source)
    return base


def _groups(items: Sequence[Item], outer: str, constants: set[Tensor]) -> Iterator[Kernel]:
    """The nodes that do work, grouped by innermost region; a node outside regions is its own group."""
    for item in items:
        if isinstance(item, Region):
            name = outer or item.layer.name
            own = [inner for inner in item.items if isinstance(inner, Node) and _works(inner, constants)]
            if own:
                yield Kernel(item.path, name, item.layer.name, item.phase, own)
            yield from _groups([inner for inner in item.items if isinstance(inner, Region)], name, constants)
        elif not outer and _works(item, constants):
            kind = ops.operation_name(item.op)
            yield Kernel(item.path, kind, kind, item.phase, [item])


def _works(node: Node, constants: set[Tensor]) -> bool:
    return not (type(node.op) in _IDLE or _is_view(node) or constants.issuperset(node.outputs))


def _connected(group: Kernel, base: dict[Tensor, Tensor]) -> Iterator[Kernel]:
    """A group split into the parts that are linked by tensors of their own."""
    if len(group.nodes) == 1:
        yield group
        return
    part: dict[Tensor, list[Node]] = {}
    parts: list[list[Node]] = []
    for node in group.nodes:
        joined = [node]
        for tensor in {base.get(x, x) for x in node.inputs} & part.keys():
            other = part[tensor]
            if other is not joined:
                if len(other) > len(joined):
                    joined, other = other, joined
                joined.extend(other)
                for member in other:
                    part.update(dict.fromkeys(member.outputs, joined))
                parts = [kept for kept in parts if kept is not other]
        part.update(dict.fromkeys(node.outputs, joined))
        if all(kept is not joined for kept in parts):
            parts.append(joined)
    for nodes in parts:
        yield Kernel(group.path, group.op, group.inner, group.phase, nodes)


def _read_by(kernel: Kernel, base: dict[Tensor, Tensor], constants: set[Tensor]) -> dict[Tensor, Dim]:
    """Bytes read of each distinct tensor."""
    read: dict[Tensor, Dim] = {}
    for node in kernel.nodes:
        for position, tensor in enumerate(node.inputs):
            source = base.get(tensor, tensor)
            if tensor in constants:
                continue
            rows_only = isinstance(node.op, ops.Gather) and position == 0
            read[source] = source.bytes_of(node.outputs[0].elements) if rows_only else source.bytes
    return read


def _repeat_inputs(nodes: Sequence[Node], base: dict[Tensor, Tensor]) -> set[Tensor]:
    """Tensors that a Repeat or an unknown operation reads, or that a piece of a split stands for."""
    used: set[Tensor] = set()
    for node in nodes:
        if isinstance(node.op, (ops.Repeat, ops.Opaque, ops.Split, ops.Stride)) or node.origin == PEELED:
            used.update(base.get(tensor, tensor) for tensor in node.inputs)
    return used


def _effects(items: Sequence[Item]) -> set[Tensor]:
    """Tensors that outlive their region although nothing in the graph reads them."""
    found: set[Tensor] = set()
    for item in items:
        if isinstance(item, Region):
            found |= {*item.effects} | _effects(item.items)
    return found
