"""The shares that nncost ships are those that published training steps imply, and they help on steps they did not see."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from benchmarks import published_time
from benchmarks.layouts import Layout


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))


def test_the_shipped_shares_are_the_derived_ones() -> None:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "published.toml").read_text(encoding="utf-8")
    shipped = tomllib.loads(text)["device"]
    for kind, shares in published_time.derived_shares().items():
        for derived, found in ((shares.pop("of_kernels"), shipped[kind]["of_kernels"]), (shares, shipped[kind])):
            for name, values in derived.items():
                assert found[name] == pytest.approx(values, abs=0.011), (kind, name)
    assert set(shipped) == set(published_time.KIND.values())


def test_a_grid_is_the_roofline_at_every_pair_of_shares() -> None:
    step = next(published_time.mpt_steps())
    grid = published_time.grid(step)
    launch = published_time.efficiency_of(step.device, "bfloat16").launch_seconds
    for down, across in ((0, 0), (26, 18), (-1, 5)):
        shares = (float(published_time.SHARES[down]), float(published_time.SHARES[across]))
        efficiency = published_time._efficiency(*shares, launch)
        assert grid[down, across] == pytest.approx(step.predicted(efficiency))


def test_a_grid_of_kernels_is_the_prediction_at_all_parts() -> None:
    step = next(published_time.mpt_steps())
    grid = published_time.kernel_grid(step)
    for places in ((0, 0, 0), (37, 12, 20), (-1, 5, -1)):
        parts = [float(axis[place]) for axis, place in zip(published_time.KERNEL_AXES, places, strict=True)]
        assert grid[places] == pytest.approx(step.predicted(published_time._by_kernels(step.device, *parts)))


def test_published_work_is_counted_work() -> None:
    """Every row of the table fits (6N + 12·L·d·T) · tokens a second ÷ peak within 2 %; so must the counted flops."""
    rows = [row for row in published_time._table("mpt_throughput.csv") if "fp8" not in row["precision"]]
    for step, row in zip(published_time.mpt_steps(), rows, strict=True):
        counted = published_time.flops_over_peak(step) / step.seconds * 100
        assert counted == pytest.approx(float(row["hfu_pct"]), rel=0.04), step.name


def test_aims() -> None:
    """MPT left out within 5 %, recipes with their layouts within 10 %; each median."""
    assert published_time.errors(published_time.left_out_lines())["nncost"][0] <= 0.05
    recipes = published_time.recipe_lines()
    assert published_time.errors(recipes)["with its layout"][0] <= 0.10
    inside = [step.is_inside(published_time.efficiency_of(step.device, "bfloat16")) for step, _ in recipes]
    assert sum(inside) >= 0.9 * len(inside)


def test_every_recipe_has_its_layout_and_its_devices() -> None:
    for step in published_time.recipe_steps():
        layout = published_time.layouts()[step.name.partition(",")[0], step.device.name]
        ways = layout.tensor * layout.pipeline * layout.context
        assert step.devices % ways == 0
        assert step.micro_batches * ways == pytest.approx(round(step.micro_batches * ways)), "whole micro-batches"


def test_layouts_by_hand() -> None:
    layout = Layout(tensor=4, pipeline=2, context=2, virtual=3)
    assert layout.waiting(examples=1) == pytest.approx(1 / (3 * 16))
    moved = 2 * 100 * 1000 / 2 * 3 / 4
    assert layout.exchanged(1000, 100, blocks=6, examples=1, bytes_per_second=1e6) == pytest.approx(
        8 * 3 * 16 * moved / 1e6
    )
    assert Layout(1, 1, 1, 1).exchanged(1000, 100, 6, 1, 1e6) == Layout(1, 1, 1, 1).waiting(1) == 0
    assert layout.slowest(10.0, 1.0, blocks=6) == 12.0, "the last of two stages has the output layer, too"
    assert layout.slowest(10.0, 0.1, blocks=5) == 12.0, "three blocks of five"
    assert layout.slowest(10.0, 4.0, blocks=5) == 2 * (10.0 * 2 / 5 + 4.0)


def test_slices_are_the_same_work() -> None:
    step = next(step for step in published_time.recipe_steps() if "70b" in step.name)
    assert step.slices is not None
    for whole, row in zip(step.report.rows, step.slices.rows, strict=True):
        for op, runs in whole.products.items():
            macs, own = (
                sum(product.macs * times for product, times in each.items()) for each in (runs, row.products[op])
            )
            assert own == macs
            if row.op == "dense":
                assert not set(runs) & set(row.products[op])


def test_unseen_steps_are_predicted_better_than_by_either_plain_way() -> None:
    for lines in (published_time.left_out_lines(), published_time.recipe_lines()):
        found = published_time.errors(lines)
        for position in (0, 1):
            assert found["nncost"][position] < found["roofline"][position] < found["FLOPs ÷ peak"][position]
