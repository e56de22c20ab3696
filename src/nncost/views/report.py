"""A report as a document, that of a network or that of a checkpoint, and as comma-separated values."""

from __future__ import annotations

from nncost.documents.document import Document
from nncost.report import Report
from nncost.report_data import row_table
from nncost.views.command import Command


def report_document(
    report: Report,
    *,
    by: str = "layer",
    depth: int | None = None,
    expand: bool = False,
    shapes: bool | None = None,
    command: Command | None = None,
) -> Document:
    """Return what ``nncost count`` shows; with the ``command`` that asked for it, also the next one.

    Raise OptionError for another ``by``.
    """
    if report.storage is not None:
        from nncost.views.checkpoint import checkpoint_document

        return checkpoint_document(report, by=by, depth=depth, command=command)
    from nncost.views.count import count_document

    return count_document(report, by=by, depth=depth, expand=expand, shapes=shapes, command=command)


def report_csv(report: Report) -> str:
    """Return one line per layer, operation and phase, with every digit."""
    from nncost.documents.csv import csv_text

    return csv_text(*row_table(report))
