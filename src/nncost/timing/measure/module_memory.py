"""The memory of the PyTorch module that a source is built as, beside that of its graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.report import Report
from nncost.units import bytes_text


def module_memory(subject: Any, settings: Settings, report: Report) -> dict[str, int]:
    """What is predicted of the module that runs: a graph counted on its own frees other tensors than PyTorch does."""
    found = report
    if report.source.kind not in ("torch", "huggingface"):
        load = replace(settings.load, given=subject.given, inputs={}, symbols={}, batch=None)
        chosen = replace(settings, load=load, loss=subject.loss, optimizer=subject.optimizer, examples=None)
        found = report_on(subject.module, replace(chosen, epochs=1, freeze=()))
    if found.memory is None:
        return {}
    amounts = {"step_allocated": found.memory.step_allocated, "step_peak": found.memory.step_peak}
    return {name: amount for name, amount in amounts.items() if isinstance(amount, int)}


def why_memory_differs(report: Report, predicted: int | None) -> Iterator[str]:
    """Why a count of the source names another peak than that of the module which runs; nothing where it reads the same."""
    peak = report.memory.step_peak
    if isinstance(peak, int) and predicted is not None and bytes_text(peak) != bytes_text(predicted):
        yield (
            f"nncost count names a peak of {bytes_text(peak)}, the least that the graph of a "
            f"{report.source.kind} can do with: each value goes after its last use, and what a layer computes inside takes "
            "nothing. The module that PyTorch runs here also holds what its operators take inside, its copies, and what "
            "its optimizer makes on the way."
        )
