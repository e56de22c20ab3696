"""How the operators of a framework are treated, as a document and JSON."""

from __future__ import annotations

from typing import Any

from nncost.documents.document import Document, Facts, Section, Table
from nncost.frontends.operators import TREATMENTS, UNKNOWN, Coverage
from nncost.units import counted


def coverage_document(coverage: Coverage) -> Document:
    """Return how many overloads are treated in which way, by namespace."""
    title = f"{coverage.framework} {coverage.version}: {counted(len(coverage.operators), 'overload')} of operators"
    rows = tuple((name, *coverage.amounts(name).values()) for name in coverage.namespaces)
    table = Table(("namespace", *TREATMENTS), rows, total=("total", *coverage.amounts().values()))
    return Document(title, (Section("", (table, Facts(tuple(TREATMENTS.items())))),))


def unknown_document(coverage: Coverage) -> Document:
    """Return the names of the operators that are not counted."""
    table = Table(("operator",), tuple((name,) for name in coverage.names(UNKNOWN)))
    return Document(f"{coverage.framework} {coverage.version}: unknown operators", (Section("", (table,)),))


def coverage_data(coverage: Coverage, *, unknown: bool) -> dict[str, Any]:
    """Return every overload and how it is treated, or only those that are ``unknown``."""
    chosen = [o for o in coverage.operators if not unknown or o.treatment == UNKNOWN]
    operators = [{"name": o.name, "overload": o.overload, "treatment": o.treatment} for o in chosen]
    whole = {"framework": coverage.framework, "version": coverage.version, "totals": coverage.amounts()}
    return {**whole, "operators": operators}
