"""How long a step takes on this machine: its operators replayed, in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nncost.pipeline.settings import Settings
from nncost.report import Report
from nncost.timing import Progress
from nncost.timing.devices.profile import Profile
from nncost.timing.devices.profile_store import this_profile
from nncost.timing.from_profile import calibrated
from nncost.timing.predict import THIS, counted, not_calibrated, predict_this
from nncost.timing.prediction import CAUSES, PredictedRow, Prediction, Seconds
from nncost.timing.prediction_builder import phase_seconds, with_peak
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

if TYPE_CHECKING:
    from nncost.timing.rehearsal.outcome import Ran
    from nncost.timing.replay.step import LayerSeconds, Replayed

ENGINE = "torch"
BUDGET_SECONDS = 5.0
"""Steps run for real for so long, if nothing else is said."""
FRAMEWORK = "framework"
_MACHINE_BYTES_PER_SECOND = 1e9
"""Only for splitting an operator's time by cause where a profile knows no bandwidth."""


def predict_here(source: Any, settings: Settings, progress: Progress | None = None, budget: float = 0.0) -> Prediction:
    """Seconds of a step by phase, layer and cause. Each distinct operator runs once and is remembered.

    Steps run for real as far as ``budget`` seconds allow: the total is theirs then. Without PyTorch the profile alone must
    do. A module on an accelerator of this machine runs there. Raise OptionError if this machine is not calibrated.
    """
    device = _accelerator_of(source, settings)
    if device is not None:
        from nncost.timing.predict_on_accelerator import predict_on_accelerator

        return predict_on_accelerator(source, settings, device, budget, progress)
    profile = this_profile()
    if profile is None:
        raise not_calibrated()
    if find_spec(ENGINE) is None or profile.engine != ENGINE:
        return predict_this(source, settings)
    return predict_by_replay(source, settings, profile, progress, budget=budget)


def predict_by_replay(
    source: Any,
    settings: Settings,
    profile: Profile,
    progress: Progress | None = None,
    *,
    budget: float = 0.0,
    most_share: float = 1.0,
) -> Prediction:
    """As :func:`predict_here`, under a given profile of this machine; at most a share of the equal blocks runs."""
    from nncost.frontends.torch.allocation.recorder import record_step
    from nncost.frontends.torch.step.state.random_states import random_state_kept
    from nncost.records import replace
    from nncost.timing.measure.module_memory import module_memory, why_memory_differs
    from nncost.timing.rehearsal.outcome import Ran
    from nncost.timing.rehearsal.rehearse import Rehearsal
    from nncost.timing.replay.step import replay
    from nncost.timing.replay.timing_cache import TimingCache
    from nncost.timing.runnable import subject_of, trained_with

    report = counted(source, settings)
    with random_state_kept(), subject_of(source, settings, **trained_with(report), real=False) as subject:
        steps = replace(subject.options.steps, loss=subject.loss or "none", optimizer=subject.optimizer or "none")
        options = replace(subject.options, steps=steps, training=subject.loss is not None)
        recording = record_step(subject.module, subject.given, options)
        replayed = replay(recording, profile, TimingCache(usual=profile.references.get("reference")), progress)
        rows = _rows(report, replayed, profile, subject.layers)
        peak = module_memory(subject, settings, report).get("step_peak") if subject.loss is not None else None
        times = {place: spent.total for place, spent in replayed.seconds.items()}
        rehearsal = Rehearsal(source, settings, report, times, budget, progress)
        ran = rehearsal.run(subject.module, recording, most_share=most_share)
    notes = [*_notes(replayed), *why_memory_differs(report, peak)]
    if isinstance(ran, Ran):
        prediction = _of_steps(report, rows, profile, ran, notes)
    else:
        most = profile.peak_flops_per_second
        prediction = calibrated(report, rows, profile, most, name=THIS, method="replayed", notes=notes)
        prediction = replace(prediction, how=ran.text)
    return prediction if peak is None else replace(prediction, memory=with_peak(prediction.memory, peak))


def _accelerator_of(source: Any, settings: Settings) -> Any:
    """The CUDA device that the source's module is on; None for the processor."""
    if find_spec(ENGINE) is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    from nncost.timing.accelerator import CUDA, device_of
    from nncost.timing.runnable import subject_of, trained_with

    with subject_of(source, settings, **trained_with(counted(source, settings)), real=False) as subject:
        device = device_of(subject.module)
    return device if device.type == CUDA else None


def _of_steps(
    report: Report, rows: Sequence[PredictedRow], profile: Profile, ran: Ran, notes: Sequence[str]
) -> Prediction:
    """The seconds of steps that ran; layers and causes in proportion to what operators alone say."""
    from nncost.records import replace
    from nncost.timing.rehearsal.shares import scaled_rows, seconds_of

    phases = seconds_of(ran)
    scaled = scaled_rows(rows, phases)
    peak = profile.peak_flops_per_second
    prediction = calibrated(
        report, scaled, profile, peak, name=THIS, method=ran.label, notes=notes, label=ran.label, phases=phases
    )
    alone = phase_seconds(rows)
    return replace(prediction, how=ran.text, operators_alone=alone, noise=ran.series.noise)


def _notes(replayed: Replayed) -> list[str]:
    notes = list(replayed.notes)
    if replayed.missing:
        names = ", ".join(sorted(replayed.missing))
        notes.append(f"operators that could not be timed alone are not in here: {names}.")
    return notes


def _rows(report: Report, replayed: Replayed, profile: Profile, layers: Mapping[str, str]) -> Sequence[PredictedRow]:
    """One row for each layer and phase that takes time, with the operation and the flops of the report."""
    known: dict[tuple[str, str], tuple[str, int, int, int]] = {}
    for row in report.rows:
        phase = "forward" if row.phase == "loss" else row.phase
        op, flops, macs, traffic = known.get((row.path, phase), (row.op, 0, 0, 0))
        counts = row.counts
        known[row.path, phase] = (
            op,
            flops + _number(counts, "mul") + _number(counts, "add"),
            macs + _number(counts, "macs"),
            traffic + _number(counts, "read_bytes") + _number(counts, "write_bytes"),
        )
    rows = []
    for (path, phase), spent in replayed.seconds.items():
        name = layers.get(path, path)
        op, flops, macs, traffic = known.get((name, phase), (FRAMEWORK, 0, 0, 0))
        rows.append(_row((name, op, phase), spent, (flops, macs, traffic), profile))
    return rows


def _number(counts: Mapping[str, Any], name: str) -> int:
    amount = counts.get(name, 0)
    return amount if isinstance(amount, int) else 0


def _row(
    place: tuple[str, str, str], spent: LayerSeconds, work: tuple[int, int, int], profile: Profile
) -> PredictedRow:
    flops, macs, traffic = work
    causes = dict.fromkeys(CAUSES, 0.0) | _split(spent, macs, traffic, profile)
    total, rest = spent.total, spent.overhead + spent.faults
    low, high = spent.low + rest, spent.high + rest
    wide = 1 + profile.spread
    seconds = Seconds(min(low, total) / wide, total, max(high, total) * wide)
    peak = profile.peak_flops_per_second
    share = FLOPS_PER_PRODUCT * macs / (peak * total) if macs and total else None
    return PredictedRow(*place, seconds, causes, max(causes, key=lambda cause: causes[cause]), flops, share)


def _split(spent: LayerSeconds, macs: int, traffic: int, profile: Profile) -> dict[str, float]:
    """An operator's time is arithmetic as far as the peak rate explains it, memory traffic beyond that.

    What bandwidth does not explain either is the call itself: overhead.
    """
    arithmetic = min(spent.operators, FLOPS_PER_PRODUCT * macs / profile.peak_flops_per_second)
    bandwidth = min((rate.per_second for rate in profile.bandwidth), default=_MACHINE_BYTES_PER_SECOND)
    left = spent.operators - arithmetic
    memory = left if macs else min(left, traffic / bandwidth)
    return {
        "arithmetic": arithmetic, "memory": memory, "page_faults": spent.faults,
        "overhead": spent.overhead + left - memory,
    }  # fmt: skip
