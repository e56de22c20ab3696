"""From ledger rows to a report's rows, totals and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nncost.counting.conventions import Convention
from nncost.counting.ledger import Row
from nncost.counting.products import Product
from nncost.counting.quantities import ALL
from nncost.dims import Dim, Shape, add_all, is_symbolic
from nncost.frontends.model import Model
from nncost.ir import ops
from nncost.ir.graph import PHASES, Item, Parameter, Region
from nncost.ir.ops import operation_name
from nncost.pipeline.output_shapes import OutputShapes
from nncost.report import Amounts, ParameterCounts, ParameterType, ReportRow, Totals

FLOPS = "flops"


def layers_of(model: Model) -> Mapping[str, str]:
    """Each layer, in the order of the network, with what it does."""
    return _op_by_path(model.graph.items) if model.layers is None else model.layers


def _op_by_path(items: Sequence[Item]) -> dict[str, str]:
    """Each layer, in the order of the network, with the first composite there, else the first operation that is no mere move or cast."""
    order: dict[str, str] = {}
    working: dict[str, str] = {}
    composites: dict[str, str] = {}
    _name_layers(items, order, working, composites)
    return order | working | composites


def _name_layers(
    items: Sequence[Item], order: dict[str, str], working: dict[str, str], composites: dict[str, str]
) -> None:
    for item in items:
        if isinstance(item, Region):
            order.setdefault(item.path, item.layer.name)
            composites.setdefault(item.path, item.layer.name)
        elif isinstance(item.op, ops.Repeat):
            _name_layers(item.op.body.items, order, working, composites)
        else:
            order.setdefault(item.path, operation_name(item.op))
            if not isinstance(item.op, (ops.Move, ops.Constant, ops.Cast)):
                working.setdefault(item.path, operation_name(item.op))


def totals_of(rows: Sequence[Row], convention: Convention) -> dict[str, Totals]:
    """The amounts of each phase and of the step, with flops by the convention."""
    amounts: dict[tuple[str, str], list[Dim]] = {}
    for _, _, _, phase, quantity, amount, *_ in rows:
        parts = amounts.get((phase, quantity))
        if parts is None:
            amounts[phase, quantity] = [amount]
        else:
            parts.append(amount)
    totals: dict[str, dict[str, list[Dim]]] = {phase: {} for phase in (*PHASES, "step")}
    for (place, name), parts in amounts.items():
        total = add_all(parts)
        for where in (place, "step"):
            totals[where].setdefault(name, []).append(total)
    if convention.tool is not None and not convention.tool.instrumentation.backward and totals["backward"]:
        totals["step"].pop(FLOPS, None)
    return {
        phase: Totals({name: add_all(parts) for name, parts in counts.items()}, convention)
        for phase, counts in totals.items()
    }


def parameter_counts(parameters: Sequence[Parameter], active: Dim | None) -> ParameterCounts:
    """Elements by role; ``active`` is None where every token uses all."""

    def elements(chosen: Iterable[Parameter]) -> Dim:
        return add_all(parameter.tensor.elements for parameter in chosen)

    learned = [parameter for parameter in parameters if parameter.role != "buffer"]
    return ParameterCounts(
        total=elements(learned),
        trainable=elements(p for p in learned if p.trainable),
        weights=elements(p for p in learned if p.role == "weight"),
        biases=elements(p for p in learned if p.role == "bias"),
        other=elements(p for p in learned if p.role == "other"),
        buffers=elements(p for p in parameters if p.role == "buffer"),
        bytes=add_all(parameter.bytes for parameter in learned),
        active=elements(learned) if active is None else active,
    )


def parameter_types(parameters: Sequence[Parameter]) -> list[ParameterType]:
    """The parameters by type, in the order in which the types are first needed."""
    types: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        if parameter.role != "buffer":
            types.setdefault(parameter.tensor.dtype, []).append(parameter)
    return [
        ParameterType(dtype, add_all(p.tensor.elements for p in each), add_all(p.bytes for p in each))
        for dtype, each in types.items()
    ]


_Place = tuple[str, str, str]
"""Path, operation and phase of a report row."""


def report_rows(rows: Sequence[Row], model: Model, shapes: OutputShapes) -> list[ReportRow]:
    """Rows by place; forward in the order of the network, the other phases in the order they run."""
    graph = model.graph
    ops_by_path, times = layers_of(model), _times_by_path(graph.items)
    roles: dict[_Place, dict[str, list[Dim]]] = {}
    for p in graph.parameters:
        place = (p.path, ops_by_path.get(p.path, "parameters"), "forward")
        roles.setdefault(place, {}).setdefault(p.role, []).append(p.tensor.elements)
    places: dict[_Place, list[Row]] = {place: [] for place in roles}
    for row in rows:
        places.setdefault((row.path, row.op, row.phase), []).append(row)
    order = {path: number for number, path in enumerate(ops_by_path)}

    backward_order = -1 if model.layers is not None else 0

    def position(place: _Place) -> tuple[int, int]:
        path, _, phase = place
        direction = 1 if phase == "forward" else backward_order
        return PHASES.index(phase), direction * order.get(path, 0)

    amounts = _RowAmounts()
    return [
        _report_row(
            place,
            amounts.of(place[1], places[place]),
            roles.get(place, {}),
            times.get(place[0], 1),
            shapes.of(*place[:2]) if place[2] == "forward" else None,
        )
        for place in sorted(places, key=position)
    ]


_Contents = tuple[Amounts, dict[str, Amounts], dict[str, dict[Product, int]]]
"""Amounts by quantity, by operation inside, and matrix products by operation inside."""


@dataclass(slots=True)
class _RowAmounts:
    """The counts of a report row and of the operations inside, worked out once for layers that are alike."""

    known: dict[Any, _Contents] = field(default_factory=dict)

    def of(self, op: str, rows: Sequence[Row]) -> _Contents:
        """Amounts by quantity, and by operation where there are several; products by operation."""
        key = (op, tuple([(row.inner, row.quantity, row.amount, row.product) for row in rows]))
        found = self.known.get(key)
        if found is None:
            names = dict.fromkeys(row.inner or op for row in rows)
            by_name = {name: [row for row in rows if (row.inner or op) == name] for name in names}
            inside = {name: _amounts(each) for name, each in by_name.items()} if len(names) > 1 else {}
            found = self.known[key] = _amounts(rows), inside, _products(by_name if inside else {op: rows})
        return found


def _products(by_name: Mapping[str, Sequence[Row]]) -> dict[str, dict[Product, int]]:
    """How often each matrix product runs, where its sizes and its number are numbers."""
    found: dict[str, dict[Product, int]] = {}
    for name, rows in by_name.items():
        for row in rows:
            if row.product is None or row.amount == 0 or any(map(is_symbolic, (row.amount, *row.product))):
                continue
            runs = found.setdefault(name, {})
            runs[row.product] = runs.get(row.product, 0) + row.amount // row.product.macs
    return found


def _report_row(
    place: _Place,
    contents: _Contents,
    roles: Mapping[str, Sequence[Dim]],
    times: Dim,
    output: Shape | None,
) -> ReportRow:
    weights, biases, other = (add_all(roles[role]) if role in roles else 0 for role in ("weight", "bias", "other"))
    counts, inside, products = contents
    return ReportRow(*place, counts, weights, biases, other, times, inside, output, products)


def _amounts(rows: Iterable[Row]) -> Amounts:
    parts: dict[str, list[Dim]] = {}
    for row in rows:
        parts.setdefault(row.quantity, []).append(row.amount)
    return Amounts({name: add_all(parts[name]) for name in ALL if name in parts})


def _times_by_path(items: Sequence[Item], times: Dim = 1) -> dict[str, Dim]:
    """How often each layer inside a repeated block stands there; time steps are not repetitions."""
    found: dict[str, Dim] = {}
    for item in items:
        if isinstance(item, Region):
            if times != 1:
                found.setdefault(item.path, times)
            found |= {p: t for p, t in _times_by_path(item.items, times).items() if p not in found}
        elif isinstance(item.op, ops.Repeat) and item.path.rpartition(".")[0].endswith("repeat"):
            for path, inner in _times_by_path(item.op.body.items, times * item.op.times).items():
                found.setdefault(path, inner)
    return found
