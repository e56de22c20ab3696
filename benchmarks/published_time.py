"""``python -m benchmarks.published_time``: predicted seconds beside published training steps of language models.

Three predictions of each row: FLOPs ÷ peak, a roofline without efficiencies, and nncost's, whose kernels are those of
other models (``benchmarks.kernels``) and whose parts of their speed are fitted to the other rows alone: those of the
same model and length on the same kind of device are left out with it. Then the dense models of NVIDIA's recipes, none
of which the shares were fitted to; their parallel layout is not modelled, each device does its part of the step.
``--rows`` prints every row, ``--shares`` what src/nncost/timing/devices/data/efficiency/published.toml holds.

Steps in 8-bit floats are left out (only some of their layers run in that type), and so are mixtures of experts and
models cut short ("proxy").
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from operator import add
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import nncost
from benchmarks.layouts import Layout, layouts, sliced
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.timing.devices.device import Device
from nncost.timing.devices.efficiency import Efficiency, efficiency_of
from nncost.timing.devices.shares import Share
from nncost.timing.kernels.seconds import together
from nncost.timing.paces import Pace
from nncost.timing.roofline import predict_on
from nncost.timing.row_cost import ATTENTION, Work, work_of

PUBLISHED = Path(__file__).parent / "published"
DTYPE = "bfloat16"
DEVICES = {"a100_40gb": "a100-40gb", "a100_80gb": "a100", "h100_80gb": "h100"}
KIND = {"a100-40gb": "a100", "a100": "a100", "h100": "h100"}
"""Devices whose shares are fitted together."""
MPT_VOCABULARY = 50_368
MPT = {  # width, blocks, heads
    "125m": (768, 12, 12), "350m": (1024, 24, 16), "760m": (1536, 24, 12), "1b": (2048, 24, 16), "3b": (2560, 32, 20),
    "7b": (4096, 32, 32), "13b": (5120, 40, 40), "30b": (7168, 48, 56), "70b": (8192, 80, 64),
}  # fmt: skip
RECIPES = {  # length, vocabulary, width, blocks, heads, inner width; a gated layer of f is one of 1.5 f
    "Llama 3.1 8b": (8192, 128_256, 4096, 32, 32, 3 * 14_336 // 2),
    "Llama 3.1 70b": (8192, 128_256, 8192, 80, 64, 3 * 28_672 // 2),
    "Llama 3.1 405b": (8192, 128_256, 16_384, 126, 128, 3 * 53_248 // 2),
    "Llama3.1 405b": (8192, 128_256, 16_384, 126, 128, 3 * 53_248 // 2),
    "Nemotron 340b": (4096, 256_000, 18_432, 96, 96, 73_728),
}
KEY_VALUE_HEADS = 8
BLOCKS = "repeat."
"""How the paths of a model's repeated blocks begin."""
SHARES = np.round(np.arange(0.30, 1.001, 0.01), 2)
PARTS = np.round(np.arange(0.40, 1.401, 0.02), 2)
PLAIN_AXES, KERNEL_AXES = (SHARES, SHARES), (PARTS, SHARES[::2], PARTS)
NAMES_OF_PARTS = ("products", "attention", "bandwidth")
ONE = Share(1.0, 1.0, 1.0)
INSIDE = (5, 95)
"""Percentiles: nine of ten published steps lie inside the interval."""
PERCENT = 100


@dataclass(frozen=True)
class Step:
    """A published step: what a device computes ``micro_batches`` times, its part of the update, and the seconds.

    ``slices`` is the report with the products that single devices run, and ``added`` turns the seconds that a device works
    inside of blocks and outside of them into those with the exchanges and the waiting of its parallel layout.
    """

    name: str
    group: str
    device: Device
    report: Report
    micro_batches: float
    devices: int
    recomputed: bool
    seconds: float
    added: Callable[[float, float], float] = add
    slices: Report | None = None

    def times(self, phase: str) -> float:
        """How often a phase runs on one device; the devices share the update."""
        if phase == "update":
            return 1 / self.devices
        return self.micro_batches * (2 if phase == "forward" and self.recomputed else 1)

    def predicted(self, efficiency: Efficiency) -> float:
        """Seconds of the step by nncost's roofline, without what its layout adds."""
        rows = predict_on(self.report, self.device, efficiency).rows
        return sum(row.seconds.value * self.times(row.phase) for row in rows)

    def is_inside(self, efficiency: Efficiency) -> bool:
        """Whether the published seconds lie in the predicted interval; at least, everything of the layout overlaps."""
        rows = predict_on(self.report, self.device, efficiency).rows
        low, high = (sum(getattr(row.seconds, end) * self.times(row.phase) for row in rows) for end in ("low", "high"))
        return bool(low <= self.seconds <= max(high, self.with_layout(efficiency, "high")))

    def with_layout(self, efficiency: Efficiency, end: str = "value") -> float:
        """Seconds of the step with all that its parallel layout adds."""
        parts = {True: 0.0, False: 0.0}
        for row in predict_on(self.slices or self.report, self.device, efficiency).rows:
            parts[row.path.startswith(BLOCKS)] += getattr(row.seconds, end) * self.times(row.phase)
        return self.added(parts[True], parts[False])


@cache
def transformer(
    length: int, vocabulary: int, width: int, blocks: int, heads: str, inner: int, function: str, batch: int
) -> Report:
    """The training step of a language model in bfloat16."""
    block = (
        f"residual[layernorm, attention {heads} causal], residual[layernorm, dense {inner}, {function}, dense {width}]"
    )
    spec = f"{length}, embedding {vocabulary} {width}, [{block}]*{blocks}, layernorm, dense {vocabulary}"
    return nncost.count(spec, batch=batch, dtype=DTYPE, loss="cross_entropy", optimizer="adamw")


def mpt_steps() -> Iterator[Step]:
    """Every 16-bit row of mpt_throughput.csv."""
    for row in _table("mpt_throughput.csv"):
        if "bf16" not in row["precision"]:
            continue
        length, batch, accumulate = int(row["seq_len"]), int(row["micro_batch"]), int(row["grad_accum"])
        width, blocks, heads = MPT[row["model"]]
        report = transformer(length, MPT_VOCABULARY, width, blocks, f"heads={heads}", 4 * width, "gelu", batch)
        device, devices = device_named(DEVICES[row["gpu"]]), int(row["n_gpus"])
        seconds = length * batch * accumulate / float(row["tokens_per_s_per_gpu"])
        name = f"mpt-{row['model']} {length}, {devices} x {device.name}"
        group = f"{KIND[device.name]} {row['model']} {length}"
        yield Step(name, group, device, report, accumulate, devices, row["act_ckpt"] == "True", seconds)


def recipe_steps() -> Iterator[Step]:
    """The rows of dgxc_steptime.csv that say enough: dense models in bfloat16."""
    for row in _table("dgxc_steptime.csv"):
        model = next((name for name in RECIPES if row["workload"].startswith(name)), None)
        if model is None or "BF16" not in row["workload"] or "Proxy" in row["note"]:
            continue
        length, vocabulary, width, blocks, heads, inner = RECIPES[model]
        attention = f"heads={heads} kv_heads={KEY_VALUE_HEADS}"
        report = transformer(length, vocabulary, width, blocks, attention, inner, "silu", 1)
        count, _, kind = row["gpus"].partition("x ")
        devices, device = int(count), device_named(kind.split()[0])
        seconds = float(row["step_time_s"])
        examples = round(seconds * float(row["tokens_per_s"].replace(",", "")) / length)
        name = f"{model}, {devices} x {device.name}"
        each = examples / devices
        layout = layouts()[model, device.name]
        assert device.link_bytes_per_second is not None
        exchanged = layout.exchanged(length, width, blocks, each, device.link_bytes_per_second)
        added = partial(_added, layout=layout, blocks=blocks, exchanged=exchanged, waiting=layout.waiting(each))
        slices = sliced(report, length, layout)
        yield Step(name, name, device, report, each, devices, False, seconds, added, slices)


def _added(inside: float, outside: float, *, layout: Layout, blocks: int, exchanged: float, waiting: float) -> float:
    return layout.slowest(inside, outside, blocks) * (1 + waiting) + exchanged


def _table(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------- predictions to compare with
def flops_over_peak(step: Step) -> float:
    """All contractions of the step at the device's peak."""
    works = [work for works in work_of(step.report) for work in works]
    return sum(work.contraction_flops * step.times(work.phase) for work in works) / step.device.peak(DTYPE)


def roofline(step: Step) -> float:
    """Each operation at the slower of peak and bandwidth."""
    return step.predicted(_efficiency(1.0, 1.0, Share(0.0, 0.0, 0.0)))


def _efficiency(contraction: float, bandwidth: float, launch: Share) -> Efficiency:
    return Efficiency(Share(*[contraction] * 3), Share(*[bandwidth] * 3), launch, "fitted here")


# ------------------------------------------------------------------- shares from published steps
def grid(step: Step) -> np.ndarray:
    """As Step.predicted, for every pair of shares: contraction down, bandwidth across."""
    device, peak = step.device, step.device.peak(DTYPE)
    launch = efficiency_of(device, DTYPE).launch_seconds.value
    total = np.zeros((len(SHARES), len(SHARES)))
    assert device.vector_peak is not None
    for works in work_of(step.report, accelerator=True):
        for work in works:
            arithmetic = (work.contraction_flops / peak + work.other_flops / device.vector_peak) / SHARES[:, None]
            memory = work.bytes / device.bandwidth_bytes_per_second / SHARES[None, :]
            total += np.maximum(np.maximum(arithmetic, memory), launch * work.kernels) * step.times(work.phase)
    return total


def kernel_grid(step: Step) -> np.ndarray:
    """As Step.predicted by kernels, for parts of their speed: products down, attention across, bandwidth behind."""
    efficiency = efficiency_of(step.device, DTYPE)
    assert efficiency.kernels is not None
    whole = replace(efficiency, contraction=ONE, attention=ONE, bandwidth=ONE, reading=ONE)
    pace = whole.paces(step.device, step.device.peak(DTYPE))[1]
    works = [work for works in work_of(step.report, accelerator=True) for work in works]
    attention = [work for work in works if work.op == ATTENTION]
    others = [work for work in works if work.op != ATTENTION]
    down, across = _grid(step, pace, others, PARTS), _grid(step, pace, attention, SHARES[::2])
    return np.asarray(down[:, None, :] + across[None, :, :])


def _grid(step: Step, pace: Pace, works: Sequence[Work], parts: np.ndarray) -> np.ndarray:
    """Seconds of some operations for parts of their arithmetic's speed down and of their bandwidth across."""
    total = np.zeros((len(parts), len(PARTS)))
    for work in works:
        arithmetic, memory = pace.arithmetic(work) / parts[:, None], pace.memory(work) / PARTS[None, :]
        longer = together(arithmetic, memory) if work.products else np.maximum(arithmetic, memory)
        total += np.maximum(pace.queue(work), pace.latency(work) + longer) * step.times(work.phase)
    return total


def fitted(steps: Sequence[Step], grids: Sequence[np.ndarray], axes: Sequence[np.ndarray]) -> list[float]:
    """The values of the axes at which the mean relative error is least."""
    return _least(np.mean([_errors(step, seconds) for step, seconds in zip(steps, grids, strict=True)], axis=0), axes)


def _errors(step: Step, seconds: np.ndarray) -> np.ndarray:
    return np.abs(seconds / step.seconds - 1)


def _least(errors: np.ndarray, axes: Sequence[np.ndarray]) -> list[float]:
    places = np.unravel_index(np.argmin(errors), errors.shape)
    return [float(axis[place]) for axis, place in zip(axes, places, strict=True)]


def derived_shares() -> dict[str, dict[str, Any]]:
    """For each kind of device: low, value and high of every share; nine of ten published steps lie inside."""
    steps = list(mpt_steps())
    result = {}
    for kind in dict.fromkeys(KIND.values()):
        mine = [step for step in steps if KIND[step.device.name] == kind]
        plain = dict(
            zip(("contraction", "bandwidth"), fitted(mine, [grid(step) for step in mine], PLAIN_AXES), strict=True)
        )
        launch = efficiency_of(device_named(kind), DTYPE).launch_seconds
        result[kind] = _intervals(mine, plain, _efficiency(*plain.values(), launch))
        parts = dict(zip(NAMES_OF_PARTS, fitted(mine, [kernel_grid(step) for step in mine], KERNEL_AXES), strict=True))
        result[kind]["of_kernels"] = _intervals(mine, parts, _by_kernels(mine[0].device, *parts.values()))
    return result


def _intervals(steps: Sequence[Step], shares: dict[str, float], efficiency: Efficiency) -> dict[str, Any]:
    ratios = [step.predicted(efficiency) / step.seconds for step in steps]
    slow, fast = (float(ratio) for ratio in np.percentile(ratios, INSIDE))
    return {name: [round(share * factor, 2) for factor in (slow, 1.0, fast)] for name, share in shares.items()}


def _by_kernels(device: Device, products: float, attention: float, bandwidth: float) -> Efficiency:
    efficiency = efficiency_of(device, DTYPE)
    shares = [Share(*[part] * 3) for part in (products, bandwidth, attention)]
    return replace(efficiency, contraction=shares[0], bandwidth=shares[1], reading=shares[1], attention=shares[2])


# ------------------------------------------------------------------- the comparison
Line = tuple[Step, tuple[float, ...]]
NAMES = ("FLOPs ÷ peak", "roofline", "nncost", "with its layout")


def left_out_lines() -> list[Line]:
    """Every MPT row with three predictions, the last one by shares that did not see it."""
    steps = list(mpt_steps())
    errors_of = [_errors(step, kernel_grid(step)) for step in steps]
    kinds = [KIND[step.device.name] for step in steps]
    lines: list[Line] = []
    for step, kind in zip(steps, kinds, strict=True):
        others = [i for i, other in enumerate(steps) if kinds[i] == kind and other.group != step.group]
        parts = _least(np.mean([errors_of[i] for i in others], axis=0), KERNEL_AXES)
        predicted = step.predicted(_by_kernels(step.device, *parts))
        lines.append((step, (flops_over_peak(step), roofline(step), predicted)))
    return lines


def recipe_lines() -> list[Line]:
    """Every row of NVIDIA's recipes with four predictions.

    The third is by the shares that nncost ships; the last one has what its layout adds.
    """
    lines: list[Line] = []
    for step in recipe_steps():
        shipped = efficiency_of(step.device, DTYPE)
        ways = (step.predicted(shipped), step.with_layout(shipped))
        lines.append((step, (flops_over_peak(step), roofline(step), *ways)))
    return lines


def errors(lines: Sequence[Line]) -> dict[str, tuple[float, float]]:
    """Median and 90th percentile of the relative error of each prediction."""
    found = {}
    for position, name in enumerate(NAMES[: len(lines[0][1])]):
        sizes = [abs(guesses[position] / step.seconds - 1) for step, guesses in lines]
        found[name] = (median(sizes), float(np.percentile(sizes, 90)))
    return found


def _print(title: str, lines: Sequence[Line], *, rows: bool) -> None:
    print(f"{title}: {len(lines)} published steps")
    if rows:
        print(f"  {'':40}{'seconds':>9}" + "".join(f"{name:>16}" for name in NAMES[: len(lines[0][1])]))
        for step, guesses in lines:
            ratios = "".join(f"{guess / step.seconds:>15.2f}x" for guess in guesses)
            print(f"  {step.name:40}{step.seconds:>9.3f}{ratios}")
    for name, (middle, ninetieth) in errors(lines).items():
        print(f"  {name:15} median error {middle * PERCENT:5.1f} %   90th percentile {ninetieth * PERCENT:5.1f} %")


def _print_shares() -> None:
    for kind, shares in derived_shares().items():
        print(f"[device.{kind}]")
        for name, values in shares.items():
            inside = isinstance(values, dict) and ", ".join(f"{part} = {numbers}" for part, numbers in values.items())
            print(f"{name} = {f'{{ {inside} }}' if inside else values}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", action="store_true", help="print every row")
    parser.add_argument("--shares", action="store_true", help="print the shares that the published steps imply")
    chosen: Any = parser.parse_args()
    if chosen.shares:
        _print_shares()
        return
    _print("MPT on A100 and H100, one left out", left_out_lines(), rows=chosen.rows)
    print()
    recipes = recipe_lines()
    _print("NVIDIA's recipes on H100 and GB200, none fitted", recipes, rows=chosen.rows)
    inside = sum(step.is_inside(efficiency_of(step.device, DTYPE)) for step, _ in recipes)
    print(f"  inside nncost's interval: {inside} of {len(recipes)}")


if __name__ == "__main__":
    main()
