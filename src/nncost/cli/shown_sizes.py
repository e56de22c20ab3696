"""Counts with formulas that nobody reads: a page shows them at sizes, and says at which."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator, Mapping
from typing import Any

from nncost.dims import is_symbolic
from nncost.errors import NncostError
from nncost.notation.written import written
from nncost.records import replace
from nncost.report import Report

MAX_SYMBOLS, MAX_TERMS, MAX_CHARACTERS = 3, 20, 240
"""What a formula has at most that people still read: three lines of a terminal."""
SIZES = (256, 224, 320, 128, 64, 48, 32, 16)
"""Sizes that are tried for what the source leaves open, besides one example: most networks take the first."""


def at_sizes(source: str, report: Report, keywords: Mapping[str, Any]) -> Report:
    """The report itself if its formulas are short, else one at sizes, with a note that says at which.

    Symbols that the caller wrote, in a spec or as the batch, stay.
    """
    names = {} if report.source.kind == "spec" else _open_sizes(report, {str(keywords.get("batch"))})
    if not names or not any(map(_is_long, _amounts(report))):
        return report
    from nncost.api import count

    for size in SIZES:
        chosen = {name: 1 if is_batch else size for name, is_batch in names.items()}
        try:
            shown = count(source, **{**keywords, "symbols": {**keywords.get("symbols", {}), **chosen}})
        except NncostError:
            continue
        return replace(shown, notes=(_note(chosen), *shown.notes))
    return report


def _amounts(report: Report) -> Iterator[Any]:
    for totals in report.totals.values():
        yield from (amount for amount in totals.values() if is_symbolic(amount))


def _is_long(amount: Any) -> bool:
    from sympy import Add

    if len(amount.free_symbols) > MAX_SYMBOLS or len(Add.make_args(amount.expand())) > MAX_TERMS:
        return True
    return len(written(amount).text) > MAX_CHARACTERS


def _open_sizes(report: Report, written_by_caller: Container[str]) -> dict[str, bool]:
    """The symbols of the inputs' sizes in their order, and whether each is the batch."""
    found: dict[str, bool] = {}
    batch = str(report.settings["batch"])
    for shape in report.source.inputs.values():
        for dim in shape:
            for each in sorted(getattr(dim, "free_symbols", ()), key=str):
                if str(each) not in written_by_caller:
                    found[str(each).strip("'")] = str(each) == batch
    return found


def _note(chosen: Mapping[str, int]) -> str:
    options = " ".join(f"--set {shlex.quote(f'{name}={size}')}" for name, size in chosen.items())
    return f"The formulas are too long to be read, so this is shown at  {options}  (--json has the formulas)."
