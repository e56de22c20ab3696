"""A report in symbols as trees, which a browser evaluates with whole numbers of any size while sizes are dragged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nncost.counting.memory.memory import AMOUNTS
from nncost.dims import Dim, is_symbolic, tidy
from nncost.errors import SymbolError
from nncost.notation.tree import Tree, Value, evaluate, integer_text, tree_of
from nncost.notation.written import written
from nncost.report import ParameterCounts, Report, ReportRow

SHOWN = ("parameters.total", "neurons", "forward.mul", "forward.add", "backward.mul", "step.flops")
"""Quantities whose formula is shown to people."""
_MEMORY = tuple(name for name in AMOUNTS if not name.endswith("_allocated"))
"""What is allocated on top of what is there is the peak less ``resident``."""
_ROW_QUANTITIES = ("mul", "add", "activations", "macs")
_MAX_SHOWN = 300
_MAX_TREE = 60_000
"""Characters of a formula for people, and of a tree: longer ones take longer than asking again."""


def quantities(report: Report) -> Iterator[tuple[str, Dim]]:
    """Yield each quantity of a report that is not zero, by its path."""
    for name in ParameterCounts.__match_args__:
        if name != "active" or report.parameters.active != report.parameters.total:
            yield f"parameters.{name}", getattr(report.parameters, name)
    yield "neurons", report.neurons
    for phase, totals in report.totals.items():
        yield from ((f"{phase}.{quantity}", amount) for quantity, amount in totals.items())
    for which in _MEMORY:
        size = getattr(report.memory, which)
        if size is not None:
            yield f"memory.{which}", size


def formulas_of(report: Report) -> dict[str, Any]:
    """Return the quantities and the layers of a report as trees; what no tree can hold is left out."""
    trees = {path: tree for path, amount in quantities(report) if (tree := tree_or_none(amount)) is not None}
    return {"quantities": trees, "rows": rows_of(report), "written": _written(report)}


def tree_or_none(amount: Dim) -> Tree | None:
    """Return an amount as a tree; None for one that is too long or no expression of integers."""
    try:
        tree = tree_of(tidy(amount))
    except SymbolError:
        return None
    return tree if isinstance(tree, str) or len(str(tree)) <= _MAX_TREE else None


def values_of(report: Report) -> dict[str, str]:
    """Return the quantities that are numbers, in digits."""
    return {path: integer_text(amount) for path, amount in quantities(report) if not is_symbolic(amount)}


def _written(report: Report) -> dict[str, str]:
    """Formulas as people read them."""
    result = {}
    for path in SHOWN:
        amount = report.quantity(path)
        if is_symbolic(amount):
            text = written(tidy(amount)).text
            if len(text) <= _MAX_SHOWN:
                result[path] = text
    return result


def rows_of(report: Report) -> list[dict[str, Any]]:
    """Return a row per layer: its sizes, and its counts in each phase."""
    layers: dict[str, dict[str, Any]] = {}
    for row in report.rows:
        layer = layers.setdefault(row.path, {"path": row.path, "op": row.op, "phases": {}})
        if row.output is not None:
            layer["output"] = [tree_or_none(dim) for dim in row.output]
        if row.times != 1:
            layer["times"] = tree_or_none(row.times)
        for name in ("parameters", "weights", "biases", "other"):
            amount = getattr(row, name)
            if amount != 0:
                layer[name] = tree_or_none(amount)
        _add(layer["phases"].setdefault(row.phase, {}), row)
    return list(layers.values())


def _add(counts: dict[str, Any], row: ReportRow) -> None:
    """Add the counts of a row to those of its layer and phase."""
    for name in _ROW_QUANTITIES:
        amount = row.counts[name]
        if amount != 0:
            tree = tree_or_none(amount)
            counts[name] = tree if name not in counts else ("+", counts[name], tree)


def agreeing(trees: Mapping[str, Tree], sizes: Mapping[str, Value], values: Mapping[str, str]) -> dict[str, Tree]:
    """Return the trees that give the values of a report at its sizes; those of memory need loops of some length."""
    result = {}
    for path, tree in trees.items():
        try:
            number = evaluate(tree, sizes)
        except SymbolError:
            continue
        if integer_text(number) == values.get(path, "0"):
            result[path] = tree
    return result
