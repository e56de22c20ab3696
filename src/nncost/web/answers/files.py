"""The sizes of a file that can be changed: its batch, and those that it leaves open. Each change is asked of Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any

from nncost.dims import is_symbolic
from nncost.errors import NncostError
from nncost.records import record, replace
from nncost.report import Report
from nncost.web.answers.handles import BATCH, FEATURES, Handle

WEIGHTS = "weights"
"""The kind of files that hold parameters and no operations: no size of theirs is open."""
_DEFAULTS = (16, 32, 64, 128, 224)
"""Sizes for those that are open, one after another, until the operations accept them."""


@record(eq=False)
class Sized:
    """A file whose sizes are all numbers: its report, the settings that say so, and the handles of the sizes."""

    report: Report
    settings: Mapping[str, Any]
    handles: tuple[Handle, ...]


def sized(source: str, settings: Mapping[str, Any]) -> Sized:
    """Count a file, its open sizes as ``settings`` give them, and where they do not, at sizes that its operations accept.

    Where none is accepted the report stays open, with a note that says why. Raise what a count raises.
    """
    report = _counted(source, settings)
    if report.source.kind == WEIGHTS:
        return Sized(report, settings, ())
    names, failed = _open_names(report), ""
    for symbols in _choices(names, report, settings):
        concrete = {**settings, "symbols": symbols}
        try:
            found = _counted(source, concrete) if names else report
        except NncostError as error:
            failed = failed or error.message
        else:
            if not (left := _open_names(found)):
                return Sized(found, concrete, _handles(report, concrete))
            failed = failed or f"{', '.join(left)} cannot be given a number."
    return Sized(_noted(report, failed), concrete, _handles(report, concrete))


def _counted(source: str, settings: Mapping[str, Any]) -> Report:
    from nncost.api import count as counted

    return counted(source, **settings)


def _open_names(report: Report) -> list[str]:
    """The names of the sizes in which amounts and outputs are formulas."""
    amounts = chain(
        report.step.values(), *report.outputs.values(), (row.parameters for row in report.rows),
        (report.memory.step_peak, report.memory.inputs, report.settings.get("batch")),
    )  # fmt: skip
    return sorted({str(each).strip("'") for amount in amounts for each in getattr(amount, "free_symbols", ())})


def _choices(names: list[str], report: Report, settings: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Sizes for all symbols: those that are given, one example, and a default for the others."""
    given, batch = dict(settings.get("symbols") or {}), str(report.settings.get("batch"))
    for default in _DEFAULTS:
        sizes = {**{name: 1 if name == batch else default for name in names}, **given}
        yield dict(sorted(sizes.items()))


def _noted(report: Report, reason: str) -> Report:
    return replace(report, notes=(*report.notes, f"Not counted at these sizes: {reason}"))


def _handles(report: Report, settings: Mapping[str, Any]) -> tuple[Handle, ...]:
    """The batch, and every size that is open or was until it was given."""
    batch, symbols = report.settings.get("batch"), settings["symbols"]
    name = next(each for each in chain(["B"], map("B{}".format, count(1))) if each not in symbols)
    others = [Handle(each, each, FEATURES, size, is_open=True) for each, size in symbols.items() if each != str(batch)]
    if batch is None:
        return tuple(others)
    size = symbols.get(str(batch), 1) if is_symbolic(batch) else int(batch)
    return (Handle(name, "batch", BATCH, size), *others)
