"""Ledgers multiplied and added, and the derivatives of trained parameters as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nncost.counting.ledger import Ledger, Row
from nncost.dims import Dim
from nncost.ir.graph import PHASES, Parameter


def multiplied(ledger: Ledger, times: Dim, phases: Sequence[str] = PHASES) -> Ledger:
    """Return the ledger of ``times`` runs of the given phases."""
    if times == 1:
        return ledger
    rows = tuple(row._replace(amount=row.amount * times) if row.phase in phases else row for row in ledger.rows)
    return replace(ledger, rows=tuple(row for row in rows if row.amount != 0))


def added(left: Ledger, right: Ledger) -> Ledger:
    """Return a ledger with the rows of both."""
    return replace(left, rows=(*left.rows, *right.rows))


def derivatives(trained: Iterable[Parameter], layers: Mapping[str, str]) -> list[Row]:
    """Return one derivative per trained parameter, whatever the batch; ``layers`` name what each layer is."""
    return [
        Row(p.path, layers.get(p.path, "parameters"), "", "backward", "derivatives", p.tensor.elements) for p in trained
    ]
