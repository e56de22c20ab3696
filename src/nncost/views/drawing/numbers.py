"""The numbers of a drawing: a line per layer, equal ones together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nncost.dims import Dim, add_all, shape_text
from nncost.documents.document import NONE, Cell, Table
from nncost.layer_paths import pattern_of, together
from nncost.records import replace
from nncost.units import exact
from nncost.views.drawing.layers import CONV, DENSE, RECURRENT, UNKNOWN, Layer

HEADER = ("layer", "kind", "output", "neurons", "parameters")
_NAMED = 200
_MOST, _KEPT_FIRST, _KEPT_LAST = 24, 14, 8
"""Rows of text, and of longer ones those before and behind the others."""


def number_table(layers: Sequence[Layer], total: Dim) -> Table:
    """Return each layer's kind, the shape of what it returns, its neurons and its parameters, with repetitions in them."""
    groups: dict[object, list[Layer]] = {}
    for layer in layers:
        groups.setdefault((pattern_of(layer.path), _content(layer)), []).append(layer)
    rows = tuple(_row(name, len(paths), members[0]) for members in groups.values() for name, paths in _named(members))
    return Table(HEADER, rows, "lllrr", total=("total", "", "", "", total))


def short_table(table: Table) -> Table:
    """Return what text shows of the numbers: of many rows the first and the last, the others as one."""
    if len(table.rows) <= _MOST:
        return table
    rest = table.rows[_KEPT_FIRST:-_KEPT_LAST]
    parameters = add_all(cast("Dim", row[-1]) for row in rest)
    others: tuple[Cell, ...] = (f"… {len(rest):,} others", "", "", "", parameters)
    return replace(table, rows=(*table.rows[:_KEPT_FIRST], others, *table.rows[-_KEPT_LAST:]))


def _content(layer: Layer) -> tuple[object, ...]:
    return layer.kind, layer.family, layer.output, layer.parameters, layer.times


def _named(layers: Sequence[Layer]) -> list[tuple[str, list[str]]]:
    return list(together(layer.path for layer in layers))


def _row(name: str, alike: int, layer: Layer) -> tuple[Cell, ...]:
    kind = f"{layer.kind} (unknown)" if layer.family == UNKNOWN else layer.kind
    output = NONE if layer.output is None else shape_text(layer.output)
    shown = name if len(name) <= _NAMED else f"{name[:_NAMED]}…"
    shown = shown if layer.times == 1 else f"{shown} ×{exact(layer.times)}"
    return shown, kind, output, _neurons(layer, alike), layer.parameters * alike


def _neurons(layer: Layer, alike: int) -> Cell:
    """The neurons of a layer that has some; those of a recurrent one are the same at each step."""
    if layer.family not in (DENSE, CONV, RECURRENT):
        return ""
    if not layer.output or layer.values is None or (layer.times != 1 and _changes(layer.values)):
        return NONE
    return (layer.output[-1] if layer.family == RECURRENT else layer.values) * layer.times * alike


def _changes(size: Dim) -> bool:
    """Whether a size is another in each repetition: a member h[k] of a family."""
    members = (each for each in getattr(size, "free_symbols", ()) if hasattr(each, "indices"))
    return any(index.free_symbols for member in members for index in member.indices)
