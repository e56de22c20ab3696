"""A whole training run: how many steps, and what they add up to."""

from __future__ import annotations

from nncost.counting.quantities import PRIMITIVE
from nncost.dims import Dim, is_symbolic
from nncost.documents.document import Block, Heading, Line, Maths, Paragraph, Table, Work
from nncost.explaining.context import Context
from nncost.explaining.topics import Topic
from nncost.explaining.words import in_words
from nncost.ir.graph import PHASES
from nncost.notation.written import joined, tidied, written
from nncost.pipeline.report_on import report_on
from nncost.records import replace
from nncost.report import Report, Run


def run(context: Context, topic: Topic) -> list[Block]:
    """Return the steps, then each quantity of one epoch and of all."""
    assert context.report.run is not None
    steps = _steps(context, context.report.run)
    if topic.quantity is not None:
        return steps + _quantity(context, context.report.run, topic.phase, topic.quantity)
    return steps + _totals(context, context.report.run)


def _steps(context: Context, run: Run) -> list[Block]:
    examples, batch, epochs = written(run.examples), written(run.batch), run.epochs
    together, accumulate = run.batch * context.micro_batches, context.micro_batches
    size = written(together)
    formula = Maths("epochs × ⌈examples / batch⌉", r"\text{epochs} \times \lceil \text{examples} / \text{batch} \rceil")
    numbers = Maths(
        f"{epochs} × ⌈{examples.text} / {size.text}⌉", rf"{epochs} \times \lceil {examples.latex} / {size.latex} \rceil"
    )
    content: list[Block] = [Work((Line("steps", formula, numbers, tidied(run.steps)),))]
    if accumulate != 1:
        content.append(
            Paragraph(
                f"One step gathers the gradients of {accumulate} batches of {batch.text}: {size.text} examples. The last step "
                "of an epoch gathers what remains, so the whole run takes less than all steps times a full one."
            )
        )
    if run.assumes:
        content.append(Paragraph(f"This assumes that {run.assumes}."))
    rest = _rest(run)
    if rest:
        full = written(_whole(run))
        content.append(
            Paragraph(
                f"{full.text} batches are full; the last one of each epoch has the remaining {rest:,} "
                f"example{'s' if rest > 1 else ''} and is counted at its own size."
            )
        )
    return content


def _whole(run: Run) -> Dim:
    assert isinstance(run.examples, int)
    assert isinstance(run.batch, int)
    return run.examples // run.batch


def _rest(run: Run) -> int:
    if is_symbolic(run.examples) or is_symbolic(run.batch):
        return 0
    assert isinstance(run.examples, int)
    assert isinstance(run.batch, int)
    return run.examples % run.batch


def _totals(context: Context, run: Run) -> list[Block]:
    """One row per quantity: a step, and the whole run."""
    names = [name for name in (*PRIMITIVE, "flops") if run.totals["step"][name] != 0]
    rows = tuple((name, tidied(context.report.step[name]), tidied(run.totals["step"][name])) for name in names)
    advice = Paragraph(
        f"The parts of one of them: explain run.step.{names[0]}." if names else "The run computes nothing."
    )
    return [Heading("Totals"), Table(("quantity", "one full step", "whole run"), rows), advice]


def _quantity(context: Context, run: Run, phase: str, quantity: str) -> list[Block]:
    """Every phase of the run as full batches, the last batch and updates."""
    phases = PHASES if phase == "step" else (phase,)
    total = tidied(run.totals[phase][quantity])
    content: list[Block] = [Heading(f"{in_words(quantity)} (run.{phase}.{quantity})")]
    lines = [_phase_line(context, run, name, quantity) for name in phases if run.totals[name][quantity] != 0]
    return [*content, Work(tuple(lines), Line("sum", None, None, total) if len(lines) > 1 else None)]


def _phase_line(context: Context, run: Run, phase: str, quantity: str) -> Line:
    """One phase: full batches and the smaller last one, or once per step."""
    amount = run.totals[phase][quantity]
    numbers = _pieces(context, run, phase, quantity, amount)
    return Line(phase, None, numbers, tidied(amount))


def _pieces(context: Context, run: Run, phase: str, quantity: str, amount: Dim) -> Maths | None:
    once = context.report.totals[phase][quantity]
    if context.micro_batches != 1 or is_symbolic(run.examples) or is_symbolic(run.batch) or is_symbolic(once):
        return None
    epochs, per_epoch = run.epochs, run.steps // run.epochs
    if phase == "update" or quantity == "derivatives" or not _rest(run):
        factors = [Maths(f"{epochs}", f"{epochs}"), written(per_epoch), written(once)]
        return joined(factors, " × ", r" \times ") if epochs * per_epoch * once == amount else None
    last = _last_batch(context, _rest(run)).totals[phase][quantity]
    if epochs * (_whole(run) * once + last) != amount:
        return None
    whole, one, end = written(_whole(run)), written(once), written(last)
    return Maths(
        f"{epochs} × ({whole.text} × {one.text} + {end.text})",
        rf"{epochs} \times \left({whole.latex} \times {one.latex} + {end.latex}\right)",
    )


def _last_batch(context: Context, rest: int) -> Report:
    load = replace(context.settings.load, batch=rest)
    return report_on(context.source, replace(context.settings, load=load, examples=None, epochs=1))
