"""The layers as a tree of modules: every module with the sums of the layers inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nncost.dims import Dim, add_all, shape_text
from nncost.documents.document import text_of
from nncost.records import record
from nncost.report import Report
from nncost.views.layers import Column, Line, layer_lines, used_columns

_MAX_LEVELS = 40
"""Names in a path that are told apart: what is deeper stands as one name."""


Row = tuple[int, str, str, str, str, tuple[Dim, ...]]


@record
class LayerTree:
    """Columns with their groups, and a row per module and layer, each below the one that it is inside of.

    A row is its level (0 at the top), its name, how often it stands there, its operation, what it returns, and an amount
    per column.
    """

    groups: tuple[str, ...]
    titles: tuple[str, ...]
    rows: tuple[Row, ...]
    total: tuple[Dim, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with amounts as people read them."""
        rows = [[*texts, *(text_of(amount) for amount in amounts)] for *texts, amounts in self.rows]
        total = [text_of(amount) for amount in self.total]
        return {"groups": list(self.groups), "titles": list(self.titles), "rows": rows, "total": total}


@dataclass(slots=True)
class _Module:
    """A module or layer: what it counts itself, and the modules inside it by name."""

    line: Line | None = None
    inside: dict[str, _Module] = field(default_factory=dict)


def layer_tree(report: Report) -> LayerTree:
    """Return the tree of a report, in the order in which its layers are first used."""
    lines = layer_lines(report)
    columns = used_columns(list(lines.values()))
    top = _modules(lines)
    rows: list[Row] = []
    total = _add(top, -1, "", columns, rows)
    return LayerTree(tuple(c[0] for c in columns), tuple(c[1] for c in columns), tuple(rows), total)


def _modules(lines: Mapping[str, Line]) -> _Module:
    top = _Module()
    for path, line in lines.items():
        module = top
        for name in names_of(path):
            module = module.inside.setdefault(name, _Module())
        module.line = line
    return top


def names_of(path: str) -> list[str]:
    """The names in a layer's path; a number belongs to the name before it: ``layers.0``, ``attention``."""
    names: list[str] = []
    for part in path.split(".", _MAX_LEVELS):
        if names and part.isdigit():
            names[-1] += f".{part}"
        else:
            names.append(part)
    return names


def _add(
    module: _Module, level: int, name: str, columns: Sequence[Column], rows: list[Row]
) -> tuple[Dim, ...]:  # fmt: skip
    """Append the rows of a module and of all inside it; its amounts are the sums of both."""
    place = len(rows)
    own = tuple(0 if module.line is None else column[2](module.line) for column in columns)
    parts = [own]
    for inner, inside in module.inside.items():
        parts.append(_add(inside, level + 1, inner, columns, rows))
    amounts = tuple(add_all(part[number] for part in parts) for number in range(len(columns)))
    if level >= 0:
        line = module.line
        output = "" if line is None or line.output is None else shape_text(line.output)
        times = "" if line is None or line.times == 1 else text_of(line.times)
        rows.insert(place, (level, name, times, "" if line is None else line.op, output, amounts))
    return amounts
