"""The shares that nncost ships are those that published training steps imply, and they help on steps they did not see."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from benchmarks import published_time


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


def test_unseen_steps_are_predicted_better_than_by_either_plain_way() -> None:
    for lines in (published_time.left_out_lines(), published_time.recipe_lines()):
        found = published_time.errors(lines)
        for position in (0, 1):
            assert found["nncost"][position] < found["roofline"][position] < found["FLOPs ÷ peak"][position]
