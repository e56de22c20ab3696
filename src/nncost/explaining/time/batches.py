"""Other batch sizes of a spec, and what they do to a run."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.documents.document import Block, Paragraph, Table
from nncost.explaining.time.steps import whole
from nncost.report import Report
from nncost.units import grouped, seconds_text

EXAMPLES, EPOCHS = 60_000, 10
"""The run of the example if none was named: the training images of MNIST, ten times."""
_WORTH_IT = 1.1
"""From this gain on, larger batches are advised."""


def run_of(report: Report) -> tuple[int, int]:
    """Examples and epochs: those asked for, or those of the example."""
    return (EXAMPLES, EPOCHS) if report.run is None else (whole(report.run.examples), report.run.epochs)


def larger_batches(report: Report, known: Mapping[int, float], *, measured: bool) -> list[Block]:
    """What the batches whose steps are known do to a run; nothing for one batch alone."""
    if len(known) <= 1:
        return []
    examples, epochs = run_of(report)
    titles = ("batch", "a step", "an example", f"{grouped(examples)} × {epochs}")
    rows = tuple(
        (
            grouped(batch),
            seconds_text(seconds),
            seconds_text(seconds / batch),
            seconds_text(epochs * -(-examples // batch) * seconds),
        )
        for batch, seconds in known.items()
    )
    return [Paragraph(_advice(known, "measured" if measured else "predicted")), Table(titles, rows, align="rrrr")]


def _advice(known: Mapping[int, float], how: str) -> str:
    best = min(known, key=lambda batch: known[batch] / batch)
    single = min(known)
    gain = (known[single] / single) / (known[best] / best)
    if gain < _WORTH_IT:
        return (
            f"Larger batches make an example no cheaper here ({how}); if that surprises, other programs may have been "
            "busy: ask again when the machine is idle."
        )
    return (
        f"To make it faster, use larger batches ({how} here): in batches of {grouped(best)} an example takes "
        f"{gain:.2g} times less time than in batches of {grouped(single)}; the number of steps, and with it what is learned, changes too."
    )
