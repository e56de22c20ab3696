"""Where the time goes: operations, machine instructions, a step, a run, and how to make it faster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from nncost.counting.quantities import PRIMITIVE
from nncost.dims import is_symbolic
from nncost.documents.document import Block, Paragraph, Section, Table
from nncost.errors import NncostError, SymbolError
from nncost.explaining.context import Context
from nncost.explaining.time_here import RUNS, Measured, is_small, measured_step, peak_flops_per_second
from nncost.explaining.time_instructions import MOST_FLOPS, TOOL, Network, instructions_of_step
from nncost.ir.training.losses import NO_LOSS
from nncost.records import record, replace
from nncost.report import Report
from nncost.timing.devices.profile_store import this_profile, why_no_profile
from nncost.timing.prediction import CAUSES, Prediction
from nncost.timing.row_cost import check_finite
from nncost.units import grouped, scaled, seconds_text

SPEC = "spec"
BATCHES = (1, 8, 32, 128)
EXAMPLES, EPOCHS = 60_000, 10
"""The run of the example if none was named: the training images of MNIST, ten times."""
_MANY = 64
"""A batch in which the work on each example outweighs what a step costs anyway."""
_SILENCE = 3.0
_PATIENCE = 2.0
"""Seconds that steps of another batch than the one that was asked for may take."""
_NAMED = 0.005
"""Causes of a smaller part of a step are left out."""
_LARGE = ((1.0, ""), (1e3, "thousand"), (1e6, "million"), (1e9, "billion"), (1e12, "trillion"))
_NAMES = {"arithmetic": "arithmetic", "memory": "memory traffic", "overhead": "the framework's work around it",
          "page_faults": "first touches of memory"}  # fmt: skip


@record
class Step:
    """The seconds of a step on this machine, as predicted and as measured; None for what is not known."""

    prediction: Prediction | None
    measured: Measured | None

    @property
    def seconds(self) -> float | None:
        """The measured seconds, or else the predicted ones."""
        if self.measured is not None:
            return self.measured.seconds
        return None if self.prediction is None else self.prediction.seconds["step"].value


def time(context: Context) -> Section:
    """Return the sentences, each with its numbers. Raise SymbolError if a size has no number."""
    report = context.report
    examples = 0 if report.run is None else report.run.examples
    if any(is_symbolic(size) for size in (report.settings["batch"], report.step.flops, examples)):
        raise SymbolError("seconds need numbers.", hint="For example: --batch 32 --symbol h=128")
    operations = sum(_whole(report.step[name]) for name in PRIMITIVE)
    check_finite(operations)
    check_finite(1 if report.run is None else _whole(report.run.steps))
    tried = _tried(context, operations)
    with _saying("running some steps"):
        steps = _steps(context, tried)
    step = steps[_batch(report)]
    content = [*_arithmetic(report, operations), *_step_sentences(step, operations, report), *_run(report, step)]
    content += _instructions(context, operations) if _batch(report) in tried else []
    content += _faster(report, steps)
    return Section("Time", tuple(content))


def _whole(amount: object) -> int:
    assert isinstance(amount, int)
    return amount


def _batch(report: Report) -> int:
    return _whole(report.settings["batch"])


def _tried(context: Context, operations: int) -> list[int]:
    """Batches whose steps run while a reader waits: none for a module or for several micro-batches per step."""
    report, memory = context.report, context.report.memory
    sizes = (memory.step_peak, memory.parameters, memory.gradients, memory.optimizer_state)
    if (
        report.source.kind != SPEC
        or context.settings.accumulate != 1
        or not all(isinstance(size, int) for size in sizes)
    ):
        return []
    peak, *kept = map(_whole, sizes)
    growing, batch = max(0, peak - sum(kept)), _batch(report)
    return [n for n in {batch, *BATCHES} if is_small(operations * n // batch, sum(kept) + growing * n // batch)]


def _steps(context: Context, tried: list[int]) -> dict[int, Step]:
    """The batch that was asked for and some others, the smaller ones first, as long as a reader waits."""
    asked, steps, per_example = _batch(context.report), {}, 0.0
    for batch in sorted({asked, *tried}, key=lambda batch: (batch != asked, batch)):
        if batch != asked and per_example * batch * RUNS > _PATIENCE:
            continue
        steps[batch] = _step(context, batch, measure=batch in tried)
        measured = steps[batch].measured
        per_example = measured.seconds / batch if measured is not None else per_example
    return dict(sorted(steps.items()))


def _step(context: Context, batch: int, *, measure: bool) -> Step:
    settings = replace(context.settings, load=replace(context.settings.load, batch=batch), examples=None, epochs=1)
    prediction = None
    if this_profile() is not None and (measure or batch == _batch(context.report)):
        from nncost.timing.predict_this_machine import predict_here

        same = batch == _batch(context.report)
        prediction = predict_here(
            context.source, replace(context.settings, examples=None, epochs=1) if same else settings
        )
    try:
        measured = measured_step(context.source, context.settings, batch) if measure else None
    except NncostError:
        measured = None  # What cannot run is only predicted.
    return Step(prediction, measured)


# ------------------------------------------------------------------- sentences
def _arithmetic(report: Report, operations: int) -> list[Block]:
    profile = this_profile()
    peak = peak_flops_per_second() if profile is None or not profile.contraction else profile.peak_flops_per_second
    where = "just measured" if profile is None else "calibrated"
    what = "A forward pass" if report.settings["loss"] == NO_LOSS else "One training step"
    text = (
        f"{what} on {_examples(_batch(report))} is {grouped(operations)} operations. At the fastest rate of this machine "
        f"({where}: {_many(peak)} operations a second, in a large product of matrices) they would take "
        f"{seconds_text(operations / peak)}."
    )
    return [Paragraph(text)]


def _many(amount: float) -> str:
    return scaled(amount, _LARGE)


def _examples(batch: int) -> str:
    return f"{grouped(batch)} example{'' if batch == 1 else 's'}"


def _step_sentences(step: Step, operations: int, report: Report) -> list[Block]:
    lines: list[Block] = []
    if step.prediction is not None:
        expected = step.prediction.seconds["step"]
        interval = f"{seconds_text(expected.low)} to {seconds_text(expected.high)}"
        text = f"Predicted here: {seconds_text(expected.value)} per step ({interval})"
        lines.append(Paragraph(f"{text}: {_causes(step.prediction)}."))
    else:
        reason = why_no_profile()
        lines.append(
            Paragraph(
                f"{reason[0].upper()}{reason[1:]}, so there is no prediction by layer and cause. nncost calibrate "
                "measures the machine once, in at most 5 minutes; nncost predict --on h100 answers for an accelerator."
            )
        )
    if step.measured is not None:
        took, ratio = step.measured.seconds, ""
        if step.prediction is not None and took:
            ratio = f", {took / step.prediction.seconds['step'].value:.2f} times the prediction"
        lines.append(Paragraph(f"Measured just now with {step.measured.engine}: {seconds_text(took)}{ratio}."))
    if step.seconds and report.step.flops:
        lines.append(Paragraph(f"That is {_many(operations / step.seconds)} operations a second."))
    return lines


def _causes(prediction: Prediction) -> str:
    """Return each cause that matters with its seconds, the longest first."""
    sums = {cause: sum(row.causes.get(cause, 0.0) for row in prediction.rows) for cause in CAUSES}
    total = sum(sums.values()) or 1.0
    order = sorted((cause for cause in sums if sums[cause] >= _NAMED * total), key=lambda cause: -sums[cause])
    parts = [f"{seconds_text(sums[cause])} ({sums[cause] / total:.0%}) {_NAMES[cause]}" for cause in order]
    return ", ".join(parts)


def _run(report: Report, step: Step) -> list[Block]:
    if step.seconds is None:
        return []
    batch = _batch(report) * _whole(report.settings["accumulate"])
    examples, epochs = _run_of(report)
    steps = epochs * -(-examples // batch)
    named = "" if report.run is not None else "For instance, "
    text = (
        f"{named}{grouped(examples)} examples × {epochs} epochs are {grouped(steps)} steps of {_examples(batch)}: "
        f"{seconds_text(steps * step.seconds)}, without reading the examples."
    )
    return [Paragraph(text)]


def _run_of(report: Report) -> tuple[int, int]:
    """Examples and epochs: those asked for, or those of the example."""
    return (EXAMPLES, EPOCHS) if report.run is None else (_whole(report.run.examples), report.run.epochs)


def _instructions(context: Context, operations: int) -> list[Block]:
    """Machine instructions per counted operation, if valgrind can count them."""
    if operations > MOST_FLOPS or not isinstance(context.source, str) or context.settings.load.symbols:
        return []
    load, counted = context.settings.load, context.counted
    network = Network(
        context.source, _batch(context.report), counted.loss, counted.optimizer, load.bias, load.activation
    )
    with _saying(f"counting machine instructions with {TOOL}"):
        one = instructions_of_step(network, operations)
        larger = operations * (network.batch + _MANY) // network.batch
        is_quick = one is not None and larger <= MOST_FLOPS
        many = instructions_of_step(replace(network, batch=network.batch + _MANY), larger) if is_quick else None
    if one is None:
        return []
    text = (
        f"Run by NumPy, a step executes {grouped(one)} machine instructions (counted by {TOOL}): "
        f"{one / operations:.2g} per counted operation."
    )
    if many is not None and many > one:
        rest = replace(context.settings, load=replace(load, batch=_MANY + network.batch), examples=None, epochs=1)
        more = _operations(context.source, rest) - operations
        text += (
            f" {_MANY} further examples in the batch add {grouped(many - one)} instructions for {grouped(more)} operations, "
            f"{(many - one) / more:.2g} per operation: one vector instruction multiplies and adds several numbers at once. "
            "The rest is the fixed cost of a step: Python, NumPy's calls and their checks."
        )
    return [Paragraph(text)]


def _operations(source: str, settings: object) -> int:
    from nncost.pipeline.count import count_source
    from nncost.pipeline.settings import Settings

    assert isinstance(settings, Settings)
    rows = count_source(source, settings).ledger.rows
    return sum(_whole(row.amount) for row in rows if row.quantity in PRIMITIVE)


def _faster(report: Report, steps: dict[int, Step]) -> list[Block]:
    """Other batch sizes, and what they do to a run."""
    known = {batch: step.seconds for batch, step in steps.items() if step.seconds}
    if len(known) == 1 or not known:
        return []
    examples, epochs = _run_of(report)
    rows = tuple(
        (
            grouped(batch),
            seconds_text(seconds),
            seconds_text(seconds / batch),
            seconds_text(epochs * -(-examples // batch) * seconds),
        )
        for batch, seconds in known.items()
    )
    best = min(known, key=lambda batch: known[batch] / batch)
    single = min(known)
    gain = (known[single] / single) / (known[best] / best)
    how = "measured" if all(step.measured is not None for step in steps.values()) else "predicted"
    if gain < _WORTH_IT:
        text = (
            f"Larger batches make an example no cheaper here ({how}); if that surprises, other programs may have been "
            "busy: ask again when the machine is idle."
        )
        return [Paragraph(text), Table(_batch_titles(examples, epochs), rows, align="rrrr")]
    text = (
        f"To make it faster, use larger batches ({how} here): in batches of {grouped(best)} an example takes "
        f"{gain:.2g} times less time than in batches of {grouped(single)}; the number of steps, and with it what is learned, changes too."
    )
    return [Paragraph(text), Table(_batch_titles(examples, epochs), rows, align="rrrr")]


def _batch_titles(examples: int, epochs: int) -> tuple[str, ...]:
    return "batch", "a step", "an example", f"{grouped(examples)} × {epochs}"


_WORTH_IT = 1.1
"""From this gain on, larger batches are advised."""


@contextmanager
def _saying(text: str) -> Iterator[None]:
    """Say what is going on meanwhile: at once on a terminal, elsewhere only if it lasts."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    later = Timer(_SILENCE, lambda: print(f"nncost: {text} …", file=sys.stderr, flush=True))  # noqa: T201 - talk
    later.daemon = True
    if shown:
        sys.stderr.write(f"nncost: {text} …\r")
        sys.stderr.flush()
    elif sys.stderr is not None:
        later.start()
    try:
        yield
    finally:
        later.cancel()
        if shown:
            sys.stderr.write("\x1b[2K\r")
            sys.stderr.flush()
