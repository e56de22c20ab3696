"""Seconds on a device of the catalogue: each kernel at the slowest of arithmetic, memory traffic and launch."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.errors import Instead, OptionError
from nncost.ir.training.losses import NO_LOSS
from nncost.report import Report
from nncost.timing.compiled import fused
from nncost.timing.devices.device import Device
from nncost.timing.devices.efficiency import Efficiency, efficiency_of
from nncost.timing.devices.launches import launches_of
from nncost.timing.devices.shares import Share
from nncost.timing.paces import Pace
from nncost.timing.prediction import PredictedRow, Prediction, Seconds
from nncost.timing.prediction_builder import predicted_row, prediction_of
from nncost.timing.row_cost import Work, work_of


def predict_on(
    report: Report, device: Device, efficiency: Efficiency | None = None, *, compiled: bool = False
) -> Prediction:
    """The step of a report on a device, labelled *estimated*.

    ``efficiency`` replaces the shares published for it. A ``compiled`` step is replayed as a graph, its elementwise
    operations fused; some devices run nothing else. Raise OptionError if the device's rate at the report's dtype is not
    known, or if it is asked to compile what it compiles anyway, and SymbolError where a size has no number.
    """
    launches = launches_of(device)
    if compiled and launches.always_compiled:
        raise OptionError(
            f"{device.name} runs compiled programs only: its prediction is that of one.",
            instead=Instead("--compiled", ""),
        )
    compiled = compiled or launches.always_compiled
    trains = report.settings["loss"] != NO_LOSS
    shares = efficiency or efficiency_of(device, report.settings["dtype"], trains=trains, compiled=compiled)
    peak = device.peak(report.settings["dtype"])
    paces = shares.paces(device, peak)
    works = work_of(report, accelerator=True)
    rows = [_row(fused(parts) if compiled else parts, paces, peak) for parts in works]
    return prediction_of(
        report, rows, label="estimated", peak=peak, capacity=device.memory_bytes, watts=device.tdp_watts,
        device={"name": device.name, "title": device.title, "dtype": report.settings["dtype"], "peak_flops_per_second": peak,
                "bandwidth_bytes_per_second": device.bandwidth_bytes_per_second, "reliability": device.reliability,
                "source": device.source, "date": device.date.isoformat(), "compiled": compiled,
                "efficiency": {"contraction": _listed(shares.contraction), "bandwidth": _listed(shares.bandwidth),
                               "launch_seconds": _listed(shares.launch_seconds), "source": shares.source},
                "launches": {"label": launches.label, "source": launches.source}},
        notes=_notes(device),
    )  # fmt: skip


def _listed(share: Share) -> list[float]:
    return [share.low, share.value, share.high]


def _notes(device: Device) -> list[str]:
    if device.vector_peak is None:
        return [f"no rate of {device.name}'s vector units is published: work outside contractions counts by its bytes."]
    return []


def _row(works: Sequence[Work], paces: Sequence[Pace], peak: float) -> PredictedRow:
    """A row's kernels one after the other, at the fast, the expected and the slow pace."""
    low, value, high = ([_causes(work, pace) for work in works] for pace in paces)
    seconds = Seconds(*(sum(sum(causes.values()) for causes in end) for end in (low, value, high)))
    causes = {name: sum(part.get(name, 0.0) for part in value) for name in ("arithmetic", "memory", "overhead")}
    return predicted_row(works, seconds, causes, peak)


def _causes(work: Work, pace: Pace) -> dict[str, float]:
    """Seconds of one operation by what it waits for longest: arithmetic, traffic, or the launch of its kernels.

    Launches are queued while earlier kernels run, so that they cost only what they exceed the work by.
    """
    both, latency, queue = pace.both(work), pace.latency(work), pace.queue(work)
    if queue > latency + both:
        return {"overhead": queue}
    return {"arithmetic" if pace.arithmetic(work) > pace.memory(work) else "memory": both, "overhead": latency}
