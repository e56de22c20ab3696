"""Held-out training steps: predicted, measured, and how far off each way of predicting is.

    python -m benchmarks.step_time              every network, each in its own process
    python -m benchmarks.step_time --only mlp   those whose name begins so
    python -m benchmarks.step_time --write      and put the table into docs/predict.md

The networks are none of those that calibration runs. Each is measured, predicted and measured again in
one process; *noise* is how much the medians of the two measurements differ, which nothing can predict better than.
Ways: FLOPs ÷ peak (of the fastest calibrated matrix product), a roofline (the slower of arithmetic and
main memory's bandwidth for every operation), and nncost's three: its operators *alone*, a step *sampled* with at
most a quarter of its equal blocks, and whole steps *rehearsed*. *inside* is the part of the measured steps that lie
in the interval of the rehearsed prediction, *width* that interval's width by what nine of ten measured steps span.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.step_networks import CASES

SECONDS = 1.5
"""Each of the two measurements takes so long."""
BUDGET, QUARTER = 20.0, 0.25
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "predict.md"
MARKS = "<!-- step times -->", "<!-- end -->"
WAYS = {
    "flops_peak": "FLOPs ÷ peak",
    "roofline": "roofline",
    "alone": "alone",
    "sampled": "sampled",
    "rehearsed": "rehearsed",
}
Found = dict[str, Any]


# ------------------------------------------------------------------- one network, in a process of its own
def one(name: str) -> Found:
    from nncost.frontends.torch.step.state.random_states import random_state_kept
    from nncost.pipeline.keywords import settings_of
    from nncost.pipeline.report_on import report_on
    from nncost.timing.devices.profile_store import this_profile
    from nncost.timing.measure.series import Limits, run_series
    from nncost.timing.measure.step import MEDIAN, Stepper, at_rank, ranked
    from nncost.timing.predict_this_machine import predict_by_replay
    from nncost.timing.runnable import subject_of, trained_with

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    case, profile = CASES[name], this_profile()
    assert profile is not None, "calibrate first:  nncost calibrate"
    module = case.make().train()
    settings = settings_of(case.inputs, loss=case.loss, optimizer=case.optimizer)
    report = report_on(module, settings)
    limits = Limits(warm_up=3, fewest=8, most=400, seconds=SECONDS)
    with subject_of(module, settings, **trained_with(report), real=True) as subject, random_state_kept(seed=0):
        stepper = Stepper(subject)
        before = run_series(stepper.step, limits).steps
        rehearsed = predict_by_replay(module, settings, profile, budget=BUDGET)
        sampled = predict_by_replay(module, settings, profile, budget=BUDGET, most_share=QUARTER)
        after = run_series(stepper.step, limits).steps
    steps = [step.step for step in (*before, *after)]
    low, high = ranked(steps, 0.05), ranked(steps, 0.95)
    measured, seconds = at_rank([*before, *after], MEDIAN), rehearsed.seconds["step"]
    alone = rehearsed.operators_alone or rehearsed.seconds
    return {
        "name": name, "measured": statistics.median(steps), "steps": len(steps),
        "noise": statistics.median(s.step for s in before) / statistics.median(s.step for s in after) - 1,
        "flops_peak": 2 * int(report.step.macs) / profile.peak_flops_per_second, "roofline": _roofline(report, profile),
        "alone": alone["step"].value, "rehearsed": seconds.value if rehearsed.label == "rehearsed" else None,
        "sampled": sampled.seconds["step"].value if sampled.label == "sampled" else None,
        "how": [rehearsed.how, sampled.how], "inside": _part_inside(steps, seconds), "width": (seconds.high - seconds.low) / (high - low),
        "alone_holds": alone["step"].low <= statistics.median(steps) <= alone["step"].high,
        "phases": {phase: [alone[phase].value, getattr(measured, phase)] for phase in ("forward", "backward", "update")},
    }  # fmt: skip


def _part_inside(steps: Sequence[float], seconds: Any) -> float:
    return sum(seconds.low <= step <= seconds.high for step in steps) / len(steps)


def _roofline(report: Any, profile: Any) -> float:
    from nncost.timing.row_cost import work_of

    bandwidth = max(profile.bandwidth, key=lambda rate: rate.size).per_second
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
    parser.add_argument("--phases", action="store_true", help="operators alone ÷ measured of each phase too")
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
    print("\n" + "\n".join(_summary(results)))
    if arguments.write:
        _write([*_markdown(results), "", "```text", *_summary(results), "```"])


def _in_process(name: str) -> Found | None:
    command = [sys.executable, "-m", "benchmarks.step_time", "--one", name]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    if run.returncode:
        print(f"{name:26} failed: {run.stderr.strip().splitlines()[-1][:100]}", flush=True)
        return None
    return dict(json.loads(run.stdout.strip().splitlines()[-1]))


def _errors(found: Found) -> Iterator[str]:
    for way in WAYS:
        yield "—" if found[way] is None else f"{100 * (found[way] / found['measured'] - 1):+.0f} %"


def _line(found: Found, *, phases: bool) -> str:
    errors = "  ".join(f"{title} {error:>6}" for title, error in zip(WAYS.values(), _errors(found), strict=True))
    text = (
        f"{found['name']:26} {1e3 * found['measured']:9.3f} ms  {errors}  noise {100 * found['noise']:+5.1f} %"
        f"  inside {100 * found['inside']:3.0f} %  width {found['width']:4.1f}"
    )
    if phases:
        text += (
            "  " + " ".join(f"{p} {a / m:.2f}" for p, (a, m) in found["phases"].items() if m) + f"  {found['how'][1]}"
        )
    return text


def _summary(results: Sequence[Found]) -> list[str]:
    lines = [f"{len(results)} networks; absolute error of the step's time in per cent:"]
    for way, title in WAYS.items():
        lines += _spread(
            title, [abs(found[way] / found["measured"] - 1) for found in results if found[way] is not None]
        )
    lines += _spread("noise", [abs(found["noise"]) for found in results])
    if results:
        held = sum(found["alone_holds"] for found in results)
        inside, width = (statistics.mean(found[name] for found in results) for name in ("inside", "width"))
        widths = statistics.median(found["width"] for found in results)
        lines += [
            f"of the measured steps, {100 * inside:.0f} % lie in the rehearsed interval; it is {widths:.1f} times as wide as what",
            f"nine of ten steps span (median; mean {width:.1f}); by operators alone {held} of {len(results)} medians lie inside",
        ]
    return lines


def _spread(title: str, errors: list[float]) -> list[str]:
    if not errors:
        return []
    tenth = sorted(errors)[min(len(errors) - 1, int(0.9 * len(errors)))]
    return [
        f"  {title:13}{len(errors):3} networks  median {100 * statistics.median(errors):5.1f}  90th percentile {100 * tenth:6.1f}"
    ]


def _write(lines: list[str]) -> None:
    text = DOCUMENT.read_text()
    begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    DOCUMENT.write_text("\n".join([text[:begin].rstrip(), "", *lines, "", text[end:]]))


def _markdown(results: Sequence[Found]) -> list[str]:
    lines = [f"| network | {' | '.join(WAYS.values())} | noise | inside |", "|---|" + "---:|" * (len(WAYS) + 2)]
    for found in results:
        cells = " | ".join(_errors(found))
        lines.append(f"| {found['name']} | {cells} | {100 * found['noise']:+.1f} % | {100 * found['inside']:.0f} % |")
    return lines


if __name__ == "__main__":
    main()
