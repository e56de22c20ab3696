"""Ensembles of decision trees: comparisons on the way to a leaf of each tree, and the sum of what the leaves say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.records import record

Array = Any
LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL, NOT_EQUAL, MEMBER, LEAF = range(8)
"""What a node asks of a feature; a leaf asks nothing."""


@record(eq=False)
class Forest:
    """Nodes of all trees as arrays of one length: what they ask, of which feature, where it leads.

    ``sets`` are the members of a node that asks for one. ``leaves`` are the (target, weight) pairs of each node.
    ``missing`` says whether a number that is missing is a yes, whatever is asked.
    """

    modes: Array
    features: Array
    thresholds: Array
    yes: Array
    no: Array
    missing: Array
    roots: Array
    leaves: Sequence[Sequence[tuple[int, float]]]
    targets: int
    sets: Sequence[frozenset[float]] = ()

    def costs(self) -> tuple[int, int]:
        """Comparisons to the deepest leaf of each tree, and the most values that one leaf of each has."""
        depth: dict[int, tuple[int, int]] = {}
        for root in self.roots.tolist():
            waiting = [root]
            while waiting:
                node = waiting[-1]
                after = [] if self.modes[node] == LEAF else [int(self.yes[node]), int(self.no[node])]
                missing = [each for each in after if each not in depth]
                if missing and len(waiting) <= len(self.modes):
                    waiting.extend(missing)
                    continue
                waiting.pop()
                depth[node] = self._cost(node, [depth.get(each, (0, 0)) for each in after])
        return sum(depth[root][0] for root in self.roots.tolist()), sum(depth[root][1] for root in self.roots.tolist())

    def _cost(self, node: int, after: Sequence[tuple[int, int]]) -> tuple[int, int]:
        if not after:
            return 0, len(self.leaves[node])
        own = max(1, len(self.sets[node])) if self.modes[node] == MEMBER else 1
        return own + max(compared for compared, _ in after), max(values for _, values in after)


def tree_scores(b: Builder, x: Tensor, forest: Forest, *, aggregate: str, base: Sequence[float], dtype: str) -> Tensor:
    """``x`` (B, F) gives the scores (B, targets): the ``SUM``, ``AVERAGE``, ``MIN`` or ``MAX`` of the leaves, plus a base.

    For each example the comparisons to the deepest leaf of every tree, an upper bound labelled estimated, and 1 add (or
    cmp) for each value of a leaf; an average takes 1 div for each target, a base 1 add.
    """
    compared, values = forest.costs()
    joined = "add" if aggregate in ("SUM", "AVERAGE") else "cmp"
    counts: dict[str, Any] = {"cmp": x.shape[0] * compared}
    counts[joined] = counts.get(joined, 0) + x.shape[0] * values
    made = ops.Algorithm(
        "trees", (((x.shape[0], forest.targets), dtype),), counts, ops.ESTIMATED,
        run=lambda array: _run(forest, array, aggregate).astype(dtype),
    )  # fmt: skip
    y = b.emit(made, x)
    if aggregate == "AVERAGE":
        y = b.map("div", y, float(len(forest.roots)))
    if not any(base):
        return y
    kept = np.asarray(base, dtype=np.float64)
    return b.map("add", y, b.emit(ops.Constant("array", kept.shape, dtype, kept)))


def _run(forest: Forest, x: Array, aggregate: str) -> Array:
    fill = {"MIN": np.inf, "MAX": -np.inf}.get(aggregate, 0.0)
    result = np.full((len(x), forest.targets), fill, dtype=np.float64)
    join = {"MIN": np.minimum, "MAX": np.maximum}.get(aggregate, np.add)
    for root in forest.roots:
        place = np.full(len(x), root)
        for _ in forest.modes:  # No way to a leaf is longer.
            inner = np.nonzero(forest.modes[place] != LEAF)[0]
            if not len(inner):
                break
            node = place[inner]
            answers = _answers(forest, node, x[inner, forest.features[node]])
            place[inner] = np.where(answers, forest.yes[node], forest.no[node])
        for row, leaf in enumerate(place):
            for target, weight in forest.leaves[leaf]:
                result[row, target] = join(result[row, target], weight)
    return result


def _answers(forest: Forest, node: Array, value: Array) -> Array:
    limit, mode = forest.thresholds[node], forest.modes[node]
    asked = [value <= limit, value < limit, value >= limit, value > limit, value == limit, value != limit]
    answers = np.select([mode == number for number in range(len(asked))], asked, default=False)
    for number in np.nonzero(mode == MEMBER)[0]:
        answers[number] = float(value[number]) in forest.sets[node[number]]
    return answers | (np.isnan(value) & forest.missing[node].astype(bool))
