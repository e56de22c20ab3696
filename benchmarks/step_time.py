"""Held-out training steps: predicted, measured, and how far off each way of predicting is.

    python -m benchmarks.step_time              every network, each in its own process
    python -m benchmarks.step_time --only mlp   those whose name begins so
    python -m benchmarks.step_time --write      and put the table into docs/predict.md

The networks are none of those that calibration runs. Each is measured, predicted and measured again in
one process; *noise* is how much the two measurements differ, which nothing can predict better than.
Ways: FLOPs ÷ peak (of the fastest calibrated matrix product), a roofline (the slower of arithmetic and
main memory's bandwidth for every operation), and nncost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from benchmarks.step_networks import CASES

CEILING_SECONDS = 6.0
FEWEST, MOST = 8, 400
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "predict.md"
MARKS = "<!-- step times -->", "<!-- end -->"
WAYS = ("flops_peak", "roofline", "nncost")


# ------------------------------------------------------------------- one network, in a process of its own
def one(name: str) -> dict[str, Any]:
    from nncost.frontends.torch.step.state.random_states import random_state_kept
    from nncost.pipeline.keywords import settings_of
    from nncost.pipeline.report_on import report_on
    from nncost.timing.devices.profile_store import this_profile
    from nncost.timing.measure.step import Stepper, median_of
    from nncost.timing.predict_this_machine import predict_by_replay
    from nncost.timing.runnable import subject_of, trained_with

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    case, profile = CASES[name], this_profile()
    assert profile is not None, "calibrate first:  nncost calibrate"
    module = case.make().train()
    settings = settings_of(case.inputs, loss=case.loss, optimizer=case.optimizer)
    report = report_on(module, settings)
    with subject_of(module, settings, **trained_with(report), real=True) as subject, random_state_kept(seed=0):
        stepper = Stepper(subject)
        before = _steps(stepper)
        prediction = predict_by_replay(module, settings, profile)
        after = _steps(stepper)
    measured = median_of([*before, *after])
    first, second = median_of(before).step, median_of(after).step
    predicted = {phase: seconds.value for phase, seconds in prediction.seconds.items()}
    return {
        "name": name, "measured": measured.step, "noise": first / second - 1, "steps": len(before) + len(after),
        "nncost": predicted["step"], "flops_peak": 2 * int(report.step.macs) / profile.peak_flops_per_second,
        "roofline": _roofline(report, profile), "predicted_phases": predicted,
        "measured_phases": {phase: getattr(measured, phase) for phase in ("forward", "backward", "update")},
    }  # fmt: skip


def _steps(stepper: Any) -> list[Any]:
    for _ in range(3):
        last = stepper.step()
    count = max(FEWEST, min(MOST, int(CEILING_SECONDS / 2 / last.step)))
    return [stepper.step() for _ in range(count)]


def _roofline(report: Any, profile: Any) -> float:
    from nncost.timing.row_cost import work_of

    bandwidth = min(rate.per_second for rate in profile.bandwidth)
    peak = profile.peak_flops_per_second
    return sum(
        max((work.contraction_flops + work.other_flops) / peak, work.bytes / bandwidth)
        for works in work_of(report)
        for work in works
    )


# ------------------------------------------------------------------- all of them
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="networks whose name begins so")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/predict.md")
    parser.add_argument("--phases", action="store_true", help="predicted ÷ measured of each phase too")
    arguments = parser.parse_args()
    if arguments.one:
        print("\n" + json.dumps(one(arguments.one)))
        return
    results = []
    for name in [name for name in CASES if name.startswith(arguments.only)]:
        found = _in_process(name)
        if found is not None:
            results.append(found)
            print(_line(found, phases=arguments.phases), flush=True)
    print()
    print("\n".join(_summary(results)))
    if arguments.write:
        _write([*_markdown(results), "", "```text", *_summary(results), "```"])


def _in_process(name: str) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "benchmarks.step_time", "--one", name]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    if run.returncode:
        print(f"{name:26} failed: {run.stderr.strip().splitlines()[-1][:100]}", flush=True)
        return None
    return json.loads(run.stdout.strip().splitlines()[-1])


def _error(found: dict[str, Any], way: str) -> float:
    return found[way] / found["measured"] - 1


def _line(found: dict[str, Any], *, phases: bool) -> str:
    errors = "  ".join(f"{way} {100 * _error(found, way):+6.1f} %" for way in WAYS)
    text = f"{found['name']:26} {1e3 * found['measured']:9.3f} ms  {errors}  noise {100 * found['noise']:+5.1f} %"
    if phases:
        measured = found["measured_phases"]
        text += "  " + " ".join(
            f"{p} {found['predicted_phases'][p] / measured[p]:.2f}" for p in measured if measured[p]
        )
    return text


def _summary(results: list[dict[str, Any]]) -> list[str]:
    lines = [f"{len(results)} networks; absolute error of the step's time:"]
    for way in (*WAYS, "noise"):
        errors = sorted(abs(_error(found, way)) if way in WAYS else abs(found["noise"]) for found in results)
        if errors:
            tenth = errors[min(len(errors) - 1, int(0.9 * len(errors)))]
            lines.append(
                f"  {way:11} median {100 * statistics.median(errors):5.1f} %   90th percentile {100 * tenth:6.1f} %"
            )
    return lines


def _write(lines: list[str]) -> None:
    text = DOCUMENT.read_text()
    begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    DOCUMENT.write_text("\n".join([text[:begin].rstrip(), "", *lines, "", text[end:]]))


def _markdown(results: list[dict[str, Any]]) -> list[str]:
    lines = ["| network | FLOPs ÷ peak | roofline | nncost | noise |", "|---|---:|---:|---:|---:|"]
    for found in results:
        cells = " | ".join(f"{100 * _error(found, way):+.0f} %" for way in WAYS)
        lines.append(f"| {found['name']} | {cells} | {100 * found['noise']:+.1f} % |")
    return lines


if __name__ == "__main__":
    main()
