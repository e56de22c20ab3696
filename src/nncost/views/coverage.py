"""How the operators of a framework are treated, as a document and JSON."""

from __future__ import annotations

from typing import Any

from nncost.documents.document import Document, Facts, Section, Table
from nncost.frontends.operators import UNKNOWN, Coverage, Operator
from nncost.units import counted


def coverage_document(coverage: Coverage) -> Document:
    """Return how many operators, or overloads of them, are treated in which way, by namespace."""
    number = len(coverage.operators)
    what = f"{counted(number, 'overload')} of operators" if coverage.overloaded else counted(number, "operator")
    title = f"{coverage.framework} {coverage.version}: {what}"
    rows = tuple((name, *coverage.amounts(name).values()) for name in coverage.namespaces)
    table = Table(("namespace", *coverage.treatments), rows, total=("total", *coverage.amounts().values()))
    return Document(title, (Section("", (table, Facts(tuple(coverage.treatments.items())))),))


def unknown_document(coverage: Coverage) -> Document:
    """Return the names of the operators that are not counted, with the reasons if there are any."""
    reasons = {o.name: o.reason for o in coverage.operators if o.reason}
    titles = ("operator", "why") if reasons else ("operator",)
    table = Table(
        titles,
        tuple((name, reasons.get(name, ""))[: len(titles)] for name in coverage.names(UNKNOWN)),
        "ll"[: len(titles)],
    )
    return Document(f"{coverage.framework} {coverage.version}: unknown operators", (Section("", (table,)),))


def coverage_data(coverage: Coverage, *, unknown: bool) -> dict[str, Any]:
    """Return every overload and how it is treated, or only those that are ``unknown``."""
    chosen = [o for o in coverage.operators if not unknown or o.treatment == UNKNOWN]
    operators = list(map(_operator_data, chosen))
    whole = {"framework": coverage.framework, "version": coverage.version, "totals": coverage.amounts()}
    return {**whole, "operators": operators}


def _operator_data(operator: Operator) -> dict[str, Any]:
    """The fields that every framework's operators have, and those that this one has."""
    further = {name: getattr(operator, name) for name in ("domain", "since", "counted_since", "reason")}
    always = {"name": operator.name, "overload": operator.overload, "treatment": operator.treatment}
    return always | {name: value for name, value in further.items() if value}
