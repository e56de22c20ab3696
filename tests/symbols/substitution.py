"""Formulas evaluated at numbers, without any of the counter's own machinery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy

from nncost.report import Report

Amounts = dict[tuple[str, ...], Any]


def amounts(report: Report) -> Amounts:
    """Every number of a report by its place: totals of all phases, parameters, neurons, rows, the run."""
    found: Amounts = {("neurons",): report.neurons}
    for name in ("total", "trainable", "weights", "biases", "other", "buffers", "bytes"):
        found["parameters", name] = getattr(report.parameters, name)
    for phase, totals in report.totals.items():
        found.update(((phase, quantity), amount) for quantity, amount in totals.items())
    if report.run is not None:
        found["run", "steps"] = report.run.steps
        for phase, totals in report.run.totals.items():
            found.update((("run", phase, quantity), amount) for quantity, amount in totals.items())
    return found


def row_amounts(report: Report) -> Amounts:
    """Counts and parameters of every layer, by operation and phase."""
    found: Amounts = {}
    for row in report.rows:
        for quantity, amount in {**row.counts, "parameters": row.parameters}.items():
            key = (row.path, row.op, row.phase, quantity)
            found[key] = found.get(key, 0) + amount
    return found


def at(amount: Any, values: Mapping[str, int]) -> int:
    """The amount with every symbol replaced: sums are written out, ``h[3]`` is the value of ``h3``."""
    if isinstance(amount, int):
        return amount
    expression = amount.subs(
        {s: values[s.name] for s in amount.free_symbols if isinstance(s, sympy.Symbol) and s.name in values}
    )
    expression = expression.doit()
    members = {h: values[f"{h.base}{h.indices[0]}"] for h in expression.atoms(sympy.Indexed)}
    result = expression.subs(members)
    assert result.is_Integer, f"{amount} at {values} is {result}"
    return int(result)


def parsed(text: str) -> Any:
    """A formula's text as SymPy reads it: names are positive integers, ``h[…]`` is a family."""
    names = {
        name: sympy.Symbol(name, integer=True, positive=True)
        for name in re.findall(r"[A-Za-z_]\w*", text)
        if name != "Sum"
    }
    families = {name: sympy.IndexedBase(name, integer=True, positive=True) for name in re.findall(r"(\w+)\[", text)}
    return sympy.sympify(text, locals={**names, **families})
