"""The whole run: every step of every epoch."""

from __future__ import annotations

from typing import Any, cast

from nncost.dims import Dim, exact_divide, is_symbolic
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.ledgers import derivatives, multiplied
from nncost.pipeline.report_builder import layers_of, totals_of
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.report import Run


def run_of(source: Any, settings: Settings, counted: Counted) -> Run:
    """Return all steps of all epochs; the last batch of an epoch may be smaller and is counted at its own size."""
    examples, batch, epochs = cast("Dim", settings.examples), counted.model.batch, settings.epochs
    if is_symbolic(examples) or is_symbolic(batch):
        full, rest, assumes = exact_divide(examples, batch), 0, f"{batch} divides {examples}"
        micro_batches, steps = full, exact_divide(full, settings.accumulate)
        if settings.accumulate != 1:
            assumes = f"{batch * settings.accumulate} divides {examples}"
    else:
        full, rest = divmod(examples, batch)
        micro_batches, assumes = full + (rest > 0), ""
        steps = -(-micro_batches // settings.accumulate)
    parts = [multiplied(counted.ledger, epochs * full, ("forward", "loss", "backward"))] if full != 0 else []
    if rest:
        smaller = replace(settings, load=replace(settings.load, batch=rest))
        last = count_source(source, smaller)
        parts.append(multiplied(last.ledger, epochs, ("forward", "loss", "backward")))
    rows = [row for part in parts for row in part.rows if row.phase != "update"]
    updates = [row for row in counted.ledger.rows if row.phase == "update"]
    rows += [row._replace(amount=row.amount * steps * epochs) for row in updates]
    rows += [row._replace(amount=row.amount * (micro_batches - steps) * epochs) for row in counted.accumulation.rows]
    rows += [
        row._replace(amount=row.amount * steps * epochs)
        for row in derivatives(counted.step.gradients, layers_of(counted.model))
    ]
    totals = totals_of([row for row in rows if row.amount != 0], counted.convention)
    return Run(examples, epochs, batch, steps * epochs, totals, assumes)
