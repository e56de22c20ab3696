"""Layers as a tree of modules, by the names in their paths, and equal neighbours of it together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nncost.dims import Dim, Shape, add_all, same
from nncost.report import Report
from nncost.views.drawing.layers import (
    ACTIVATION,
    ATTENTION,
    CONV,
    DROPOUT,
    NORM,
    UNKNOWN,
    Layer,
)

_SEPARATOR = re.compile(r"[./]")
_DEEPEST = 10
_LONGEST_PERIOD, _FEWEST_TOGETHER = 40, 3


@dataclass(slots=True)
class Node:
    """A module, or a layer: what it is called, its own operations, and the modules inside.

    Parameters are those of one of its ``times`` repetitions; None if they differ from one to the next.
    """

    name: str
    path: str
    layers: list[Layer] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)
    output: Shape | None = None
    times: Dim = 1
    key: int = 0

    @property
    def kinds(self) -> Counter[str]:
        """Its own operations and how many there are of each."""
        return Counter(layer.kind for layer in self.layers)

    @property
    def family(self) -> str:
        """What it is drawn as: unknown if any of its own operations is, else as the first that is no step after another."""
        families = [layer.family for layer in self.layers]
        if UNKNOWN in families:
            return UNKNOWN
        main = [family for family in families if family not in (ACTIVATION, NORM, DROPOUT)]
        return (main or families or [""])[0]

    @property
    def total(self) -> Dim:
        """All its parameters, those of the modules inside and of all repetitions with them."""
        return add_all(
            [*(layer.parameters for layer in self.layers), *(child.total for child in self.children.values())]
        )

    def all_layers(self) -> Iterator[Layer]:
        """Its layers and those of the modules inside."""
        yield from self.layers
        for child in self.children.values():
            yield from child.all_layers()


@dataclass(slots=True)
class Run:
    """Nodes that stand there ``times`` times, one after the other, with the names of the first of each repetition."""

    nodes: list[Node]
    times: Dim
    names: list[str]

    total: Dim = 0
    """The parameters of all repetitions."""


def tree_of(report: Report, layers: Sequence[Layer]) -> Node:
    """The tree of a report's layers; steps on the values of the layer before them stand with it."""
    root = Node("", "")
    for layer in layers:
        node, names = root, _names(layer.path)
        if not layer.path and layer.parameters == 0 and layer.family != UNKNOWN:
            continue  # The whole network, whose inside is drawn.
        for i, name in enumerate(names):
            path = layer.path if i == len(names) - 1 else _prefix(layer.path, names[: i + 1])
            node = node.children.setdefault(name, Node(name, path))
        node.layers.append(layer)
    root = _folded(_opened(_merged(root)))
    _finish(root, report.outputs, {})
    return root


def runs_of(nodes: Sequence[Node]) -> list[Run]:
    """Neighbours with repetitions of one or several of them told once."""
    found: list[Run] = []
    keys, i = [node.key for node in nodes], 0
    while i < len(nodes):
        period, times = _period(keys, i)
        part = nodes[i : i + period * times]
        once = list(nodes[i : i + period])
        alone = times == 1 and period == 1
        found.append(
            Run(
                once,
                once[0].times if alone else times,
                [n.name for n in part[::period]],
                add_all(n.total for n in part),
            )
        )
        i += period * times
    return found


def _period(keys: Sequence[int], start: int) -> tuple[int, int]:
    """How many neighbours from here on are repeated, and how often: what tells most by the fewest."""
    best, covered = (1, 1), 1
    for period in range(1, min(_LONGEST_PERIOD, (len(keys) - start) // 2) + 1):
        if keys[start] != keys[start + period]:
            continue
        end = start + period
        while end < len(keys) and keys[end] == keys[end - period]:
            end += 1
        times = (end - start) // period
        if times >= (2 if period == 1 else _FEWEST_TOGETHER) and times * period > covered:
            best, covered = (period, times), times * period
    return best


# ------------------------------------------------------------------- building
def _names(path: str) -> list[str]:
    """The names in a path, a number with the name before it; very deep paths end in one long name."""
    names: list[str] = []
    for part in filter(None, _SEPARATOR.split(path[:2_000])):
        if (part.isdigit() and names and not names[-1][-1:].isdigit()) or len(names) == _DEEPEST:
            names[-1] += f".{part}"
        else:
            names.append(part)
    return names or [path]


def _prefix(path: str, names: Sequence[str]) -> str:
    """The beginning of a path that has these names."""
    length = path.find(names[0])
    for name in names:
        length = path.find(name, length) + len(name) if name in path[length:] else length + len(name) + 1
    return path[:length]


def _opened(root: Node) -> Node:
    """The root without modules around everything, whose own operations there are none of that have parameters."""
    while True:
        around = [
            n
            for n in root.children.values()
            if n.children and not _is_repeat(n) and not any(layer.parameters != 0 for layer in n.layers)
        ]
        if len(root.children) > 2 or len(around) != 1 or any(layer.kind == "residual" for layer in around[0].layers):
            return root
        children: dict[str, Node] = {}
        for name, node in root.children.items():
            children |= {f"{name}/{n}": c for n, c in node.children.items()} if node is around[0] else {name: node}
        root.children = children


def _merged(node: Node) -> Node:
    """The tree with modules that hold no more than one other as one with it."""
    node.children = {name: _merged(child) for name, child in node.children.items()}
    if node.name and not node.layers and len(node.children) == 1:
        (child,) = node.children.values()
        if not _is_repeat(child):
            child.name = child.path[len(node.path) - len(node.name) :]
            return child
    return node


def _is_repeat(node: Node) -> bool:
    return any(layer.times != 1 for layer in node.all_layers())


def _folded(node: Node) -> Node:
    """The tree with activations, and norms of convolutions, at the layer before them."""
    children: dict[str, Node] = {}
    last: Node | None = None
    for name, child in node.children.items():
        family = child.family
        steps = (ACTIVATION, DROPOUT, NORM) if last is not None and last.family == CONV else (ACTIVATION, DROPOUT)
        if last is not None and not last.children and not child.children and family in steps and last.family != UNKNOWN:
            last.layers += child.layers
            continue
        children[name] = last = _folded(child)
    node.children = children
    return node


def _finish(node: Node, outputs: Mapping[str, Shape], keys: dict[object, int]) -> None:
    """Set what each node returns, how often it stands there, and the key that equal nodes share."""
    for child in node.children.values():
        _finish(child, outputs, keys)
    shapes = [layer.output for layer in node.layers if layer.output is not None]
    inner = [child.output for child in node.children.values() if child.output is not None]
    node.output = outputs.get(node.path) or next(iter(reversed(shapes or inner)), None)
    if node.layers and not node.children:
        node.output = node.layers[-1].output or node.output
    node.times = _times(node)
    own = tuple(
        (layer.kind, layer.output, layer.weights, layer.biases, layer.other, layer.times) for layer in node.layers
    )
    node.key = keys.setdefault((own, tuple(child.key for child in node.children.values()), node.output), len(keys))


def _times(node: Node) -> Dim:
    """How often all that is inside stands there, if it is equally often."""
    times = [layer.times for layer in node.all_layers()]
    return times[0] if times and all(same(times[0], other) for other in times[1:50]) else 1


def is_whole(node: Node) -> bool:
    """Whether a module is drawn as one block, since what is inside does not run one after the other."""
    return node.family == ATTENTION or (
        bool(node.children) and re.search("attn|attention", node.name.lower()) is not None
    )
