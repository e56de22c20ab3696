"""Any network read as a chain of blocks: modules around their blocks, repeated ones with how often they stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nncost.dims import Dim
from nncost.layer_paths import ranged
from nncost.report import Report
from nncost.units import noun
from nncost.views.drawing.flow import SIZE, WORDS, Block
from nncost.views.drawing.layers import ATTENTION, UNKNOWN, Layer, each_of
from nncost.views.drawing.text import amount, fitted, listed, shape_of, wrapped
from nncost.views.drawing.tree import Node, Run, is_whole, runs_of, tree_of

_MOST_BOXES, _MOST_SIBLINGS, _KEPT_FIRST, _KEPT_LAST = 34, 14, 6, 5


def blocks_of(report: Report, layers: Sequence[Layer]) -> list[Block]:
    """The inputs and the modules of a report, as deep as there is room for."""
    root = tree_of(report, layers)
    nodes = list(root.children.values())
    depth = next((depth for depth in (5, 4, 3, 2, 1) if _size(nodes, depth) <= _MOST_BOXES), 0)
    return [*_inputs(report), *_siblings(nodes, depth, 1)]


def _size(nodes: Sequence[Node], depth: int) -> int:
    """How many boxes nodes take if they are opened so deep."""
    runs = runs_of(nodes)
    shown = runs if len(runs) <= _MOST_SIBLINGS else [*runs[:_KEPT_FIRST], *runs[-_KEPT_LAST:]]
    return sum(
        _size(list(n.children.values()), depth - 1) if depth and _opens(n) else 1 for run in shown for n in run.nodes
    )


def _opens(node: Node) -> bool:
    return bool(node.children) and not is_whole(node)


# ------------------------------------------------------------------- from nodes to blocks
def _siblings(nodes: Sequence[Node], depth: int, times: Dim) -> list[Block]:
    """Blocks of neighbours inside something that stands there ``times`` times."""
    runs = runs_of(nodes)
    if len(runs) <= _MOST_SIBLINGS:
        return [_run(run, depth, times) for run in runs]
    left = sum(len(run.nodes) for run in runs[_KEPT_FIRST:-_KEPT_LAST])
    gap = Block("…", [f"{left:,} more {noun(left, 'block')}"], is_gap=True)
    return [
        *(_run(run, depth, times) for run in runs[:_KEPT_FIRST]),
        gap,
        *(_run(run, depth, times) for run in runs[-_KEPT_LAST:]),
    ]


def _run(run: Run, depth: int, times: Dim) -> Block:
    if len(run.nodes) > 1:
        inside = _siblings(run.nodes, depth, times)
        names = f"{run.nodes[0].name} … {run.nodes[-1].name}"
        lines = [shape_of(run.nodes[-1].output), _parameters(run.total, times)]
        return Block(names, lines, times=run.times, path=names, inside=inside)
    node = run.nodes[0]
    path = ranged(run.names[:2_000]) or next(iter(node.kinds), "network")
    repeated = run.times if len(run.names) > 1 else _relative(run.times, times)
    return _node(node, path, depth, repeated, times)


def _relative(own: Dim, outer: Dim) -> Dim:
    """How often something stands in each repetition of what it stands in."""
    if own == 1 or own == outer:
        return 1
    quotient = each_of(own, outer)
    return own if quotient is None else quotient


def _node(node: Node, path: str, depth: int, repeated: Dim, outer: Dim) -> Block:
    kinds = wrapped(listed(node.kinds), WORDS, SIZE)
    inner = outer * repeated if node.times != 1 else outer
    lines = [*kinds, fitted(shape_of(node.output), WORDS, SIZE)]
    if not depth or not _opens(node):
        if node.children and not kinds:
            lines[:0] = wrapped(listed(Counter(layer.kind for layer in node.all_layers())), WORDS, SIZE)
        unknown = any(layer.family == UNKNOWN for layer in node.all_layers())
        lines += ["unknown"] if unknown else []
        family = UNKNOWN if unknown else _family(node)
        total = _each(node, inner)
        return Block(path, [*lines, *total], family, repeated, node.path)
    inside = _siblings(list(node.children.values()), depth - 1, inner)
    return Block(path, [*lines, *_each(node, inner)], times=repeated, path=node.path, inside=inside,
                 is_residual="residual" in node.kinds)  # fmt: skip


def _family(node: Node) -> str:
    if is_whole(node):
        return ATTENTION
    return node.family or next((layer.family for layer in node.all_layers()), "")


def _each(node: Node, times: Dim) -> list[str]:
    """The parameters of one repetition, or of all where they differ."""
    each = each_of(node.total, times)
    return [f"{_parameters(node.total, 1)} in all"] if each is None else [_parameters(each, 1)] if each != 0 else []


def _parameters(total: Dim, times: Dim) -> str:
    each = each_of(total, times)
    total = total if each is None else each
    return f"{amount(total)} {noun(total, 'parameter')}"


def _inputs(report: Report) -> list[Block]:
    inputs = list(report.source.inputs.items())
    blocks = [
        Block(name, ["input", fitted(shape_of(shape), WORDS, SIZE)], "input", path=name) for name, shape in inputs[:3]
    ]
    if len(inputs) > 3:
        blocks.append(Block("…", [f"{len(inputs) - 3} more inputs"], is_gap=True))
    return blocks
