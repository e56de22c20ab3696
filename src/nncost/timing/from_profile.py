"""Seconds from a profile only: rates interpolated by size, overheads by the operation, page faults of large outputs.

The quick answer for a calibrated machine where no operation is timed. It knows a call by its size only, not
by its shape, so that its interval is wide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import exp, log

from nncost.report import Report
from nncost.timing.devices.profile import Profile, Rate
from nncost.timing.prediction import CAUSES, Label, PredictedRow, Prediction, Seconds
from nncost.timing.prediction_builder import predicted_row, prediction_of
from nncost.timing.row_cost import Work, work_of

MAPPED_BYTES = 32 * 1024**2
"""Larger outputs are mapped afresh and touched for the first time each step: glibc's M_MMAP_THRESHOLD grows to
32 MiB at most (mallopt(3), DEFAULT_MMAP_THRESHOLD_MAX on 64-bit systems)."""
INTERVAL = 2.0
"""The interval reaches from half to twice the value: rooflines missed held-out steps by 45 % on average, and a
step on a busy machine by more."""
INTERPOLATED = "interpolated"
"""The method of a prediction by the rates of a profile alone."""
_CONVOLUTIONS = ("conv", "conv_transpose", "convolution")


def predict_with_profile(report: Report, profile: Profile) -> Prediction:
    """The step of a report on a calibrated machine, labelled *calibrated*. Raise SymbolError for a symbolic size."""
    peak = profile.peak_flops_per_second if profile.contraction else None
    rows = [_row(works, profile, peak) for works in work_of(report)]
    rows.append(_once(report, profile))
    return calibrated(report, rows, profile, peak, name=profile.name, method=INTERPOLATED)


def calibrated(
    report: Report, rows: Sequence[PredictedRow], profile: Profile, peak: float | None, *,
    name: str, method: str, notes: Sequence[str] = (), label: Label = "calibrated", phases: Mapping[str, Seconds] | None = None,
) -> Prediction:  # fmt: skip
    """Add up the rows predicted for a calibrated machine; ``peak`` is in flops a second."""
    fields = profile.fingerprint
    device = {
        "name": name, "title": fields.get("accelerator") or fields.get("cpu") or profile.name,
        "dtype": report.settings["dtype"], "engine": profile.engine, "peak_flops_per_second": peak,
        "fingerprint": dict(fields), "method": method,
    }  # fmt: skip
    capacity = fields.get("memory_bytes") or None
    return prediction_of(
        report, rows, label=label, device=device, peak=peak, capacity=capacity, notes=notes, phases=phases
    )


def rate_at(rates: Sequence[Rate], size: float) -> float:
    """The rate at a size, straight between the measured ones on logarithmic scales, and constant beyond them."""
    ordered = sorted(rates, key=lambda rate: rate.size)
    position = bisect_left([rate.size for rate in ordered], size)
    if position == 0:
        return ordered[0].per_second
    if position == len(ordered):
        return ordered[-1].per_second
    below, above = ordered[position - 1], ordered[position]
    share = (log(size) - log(below.size)) / (log(above.size) - log(below.size))
    return exp((1 - share) * log(below.per_second) + share * log(above.per_second))


def _row(works: Sequence[Work], profile: Profile, peak: float | None) -> PredictedRow:
    parts = [_causes(work, profile) for work in works]
    causes = {cause: sum(part.get(cause, 0.0) for part in parts) for cause in CAUSES}
    return predicted_row(works, _interval(sum(causes.values()), profile), causes, peak)


def _causes(work: Work, profile: Profile) -> Mapping[str, float]:
    """Seconds of one operation by cause."""
    arithmetic = _arithmetic(work, profile)
    memory = work.bytes / rate_at(profile.bandwidth, work.bytes / max(1, work.kernels)) if profile.bandwidth else 0.0
    longer = {"arithmetic": arithmetic * profile.cold} if arithmetic > memory else {"memory": memory * profile.cold}
    phase = "forward" if work.phase == "loss" else work.phase
    written = work.written_bytes if work.written_bytes >= MAPPED_BYTES * max(1, work.kernels) else 0
    return {
        **longer, "overhead": work.kernels * profile.overheads.get(phase, 0.0),
        "page_faults": written / profile.page_bytes * profile.page_fault,
    }  # fmt: skip


def _arithmetic(work: Work, profile: Profile) -> float:
    """Contractions at the rate of calls of their size; a profile without convolutions takes them for products."""
    if not work.contraction_flops:
        return 0.0
    rates = profile.convolution if work.op in _CONVOLUTIONS and profile.convolution else profile.contraction
    return work.contraction_flops / rate_at(rates, work.contraction_flops / work.contractions)


def _once(report: Report, profile: Profile) -> PredictedRow:
    """What a step costs besides its operations: the calls of its layers, and the loop around it."""
    layers = {row.path for row in report.rows if row.phase == "forward" and row.counts}
    seconds = profile.overheads.get("step", 0.0) + len(layers) * profile.overheads.get("module", 0.0)
    causes = dict.fromkeys(CAUSES, 0.0) | {"overhead": seconds}
    return PredictedRow("", "framework", "forward", _interval(seconds, profile), causes, "overhead")


def _interval(seconds: float, profile: Profile) -> Seconds:
    factor = INTERVAL * (1 + profile.spread)
    return Seconds(seconds / factor, seconds, seconds * factor)
