"""Where the time goes: operations, machine instructions, a step, its causes, a run, and what makes it faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nncost.counting.quantities import PRIMITIVE
from nncost.dims import is_symbolic
from nncost.documents.document import Block, Paragraph, Section
from nncost.errors import SymbolError
from nncost.explaining.context import Context
from nncost.explaining.time.batches import larger_batches, run_of
from nncost.explaining.time.causes import cause_sentences, layer_sentences, shares
from nncost.explaining.time.fixed_cost import fixed_cost
from nncost.explaining.time.helps import found_for, help_sentences
from nncost.explaining.time.here import peak_flops_per_second
from nncost.explaining.time.saying import saying
from nncost.explaining.time.steps import Step, batch_of, batches_to_try, steps_of, whole
from nncost.ir.training.losses import NO_LOSS
from nncost.records import replace
from nncost.report import Report
from nncost.timing.devices.profile_store import this_profile, why_no_profile
from nncost.timing.prediction import Prediction
from nncost.timing.row_cost import check_finite
from nncost.units import counted, grouped, scaled, seconds_text

if TYPE_CHECKING:
    from nncost.timing.what_helps.try_out import Found

_LARGE = ((1.0, ""), (1e3, "thousand"), (1e6, "million"), (1e9, "billion"), (1e12, "trillion"))
_RAN = {"rehearsed": "Rehearsed here", "sampled": "Put together from blocks that ran here"}


def time(context: Context) -> Section:
    """Return the sentences, each with its numbers. Raise SymbolError if a size has no number."""
    report, operations = context.report, _operations(context.report)
    batches = batches_to_try(context, operations)
    peak, where = _peak()
    with saying("running some steps"):
        steps = steps_of(context, batches)
    step = steps[batch_of(report)]
    with saying("trying what may help"):
        found = found_for(context, step, operations / peak, batches=len(steps) == 1)
    if step.seconds is None and found is not None and found.usual is not None:
        step = replace(step, ran=found.usual.step)
    content = [
        _arithmetic(report, operations, peak, where),
        *_step_sentences(step, operations, report),
        *_run(report, step),
    ]
    content += fixed_cost(context, operations) if batch_of(report) in batches else []
    content += larger_batches(
        report, {batch: each.seconds for batch, each in steps.items() if each.seconds}, measured=_all_ran(steps)
    )
    content += _causes(step, found)
    content += help_sentences(found)
    return Section("Time", tuple(content))


def _operations(report: Report) -> int:
    examples = 0 if report.run is None else report.run.examples
    if any(is_symbolic(size) for size in (report.settings["batch"], report.step.flops, examples)):
        raise SymbolError("seconds need numbers.", hint="For example: --batch 32 --symbol h=128")
    operations = sum(whole(report.step[name]) for name in PRIMITIVE)
    check_finite(operations)
    check_finite(1 if report.run is None else whole(report.run.steps))
    return operations


def _all_ran(steps: dict[int, Step]) -> bool:
    return all(step.measured is not None for step in steps.values())


def _peak() -> tuple[float, str]:
    """The fastest rate of this machine, and where it is known from."""
    profile = this_profile()
    if profile is None or not profile.contraction:
        return peak_flops_per_second(), "just measured"
    return profile.peak_flops_per_second, "calibrated"


# ------------------------------------------------------------------- sentences
def _arithmetic(report: Report, operations: int, peak: float, where: str) -> Paragraph:
    what = "A forward pass" if report.settings["loss"] == NO_LOSS else "One training step"
    return Paragraph(
        f"{what} on {counted(batch_of(report), 'example')} is {grouped(operations)} operations. At the fastest rate of this machine "
        f"({where}: {_many(peak)} operations a second, in a large product of matrices) they would take "
        f"{seconds_text(operations / peak)}."
    )


def _many(amount: float) -> str:
    return scaled(amount, _LARGE)


def _step_sentences(step: Step, operations: int, report: Report) -> list[Block]:
    lines: list[Block] = [Paragraph(_no_profile() if step.prediction is None else _predicted(step.prediction))]
    if step.measured is not None:
        took, ratio = step.measured.seconds, ""
        if step.prediction is not None and took:
            ratio = f", {took / step.prediction.seconds['step'].value:.2f} times the prediction"
        lines.append(Paragraph(f"Measured just now with {step.measured.engine}: {seconds_text(took)}{ratio}."))
    elif step.ran is not None:
        lines.append(Paragraph(f"Measured just now with PyTorch: {seconds_text(step.ran)}."))
    if step.seconds and report.step.flops:
        lines.append(Paragraph(f"That is {_many(operations / step.seconds)} operations a second."))
    return lines


def _no_profile() -> str:
    reason = why_no_profile()
    return (
        f"{reason[0].upper()}{reason[1:]}, so there is no prediction by layer and cause. nncost calibrate "
        "measures the machine once, in at most 5 minutes; nncost predict --on h100 answers for an accelerator."
    )


def _predicted(prediction: Prediction) -> str:
    expected = prediction.seconds["step"]
    interval = f"{seconds_text(expected.low)} to {seconds_text(expected.high)}"
    lead = _RAN.get(prediction.label, "Predicted here")
    noise = "" if prediction.noise is None else f" Noise: {prediction.noise.text}."
    return f"{lead}: {seconds_text(expected.value)} per step ({interval}): {shares(prediction)}.{noise}"


def _causes(step: Step, found: Found | None) -> Iterator[Block]:
    if step.prediction is not None:
        return cause_sentences(step.prediction)
    if found is None or found.usual is None:
        return iter(())
    return layer_sentences(found.layers, found.usual.step)


def _run(report: Report, step: Step) -> list[Block]:
    if step.seconds is None:
        return []
    batch = batch_of(report) * whole(report.settings["accumulate"])
    examples, epochs = run_of(report)
    steps = epochs * -(-examples // batch)
    named = "" if report.run is not None else "For instance, "
    text = (
        f"{named}{grouped(examples)} examples × {epochs} epochs are {grouped(steps)} steps of {counted(batch, 'example')}: "
        f"{seconds_text(steps * step.seconds)}, without reading the examples."
    )
    return [Paragraph(text)]
