"""What charts show is what the report holds: data, tables and descriptions of random networks add up to its totals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.ir.graph import PHASES
from nncost.units import exact
from nncost.views.charts.parts import byte_unit
from tests.pictures.subjects import values_of

WIDTHS = st.lists(st.integers(1, 300), min_size=2, max_size=6).map(lambda sizes: "-".join(map(str, sizes)))
IMAGES = st.builds(
    lambda channels, size, out, act: f"{channels}x{size}x{size}, conv {out} 3x3, {act}, maxpool 2, flatten, dense {out}",
    st.integers(1, 4), st.integers(8, 20), st.integers(1, 12), st.sampled_from(["relu", "gelu", "tanh"]),
)  # fmt: skip
DEEP = st.builds(
    lambda width, times: f"8x{width}, [residual[layernorm, attention heads=1], residual[layernorm, dense {width}]]*{times}, dense 3",
    st.integers(2, 9), st.integers(1, 4),
)  # fmt: skip
SPECS = st.one_of(WIDTHS, IMAGES, DEEP)
BATCHES = st.integers(1, 70)


def shown(chart: Any, name: str) -> list[Any]:
    return [each[name] for each in values_of(chart.picture) if name in each]


@settings(max_examples=30)
@given(SPECS, BATCHES, st.sampled_from(["sgd", "adam"]), st.integers(1, 6))
def test_layers(spec: str, batch: int, optimizer: str, top: int) -> None:
    report = nncost.count(spec, batch=batch, optimizer=optimizer)
    for quantity in ("flops", "macs", "bytes", "mul"):
        chart = report.plot.layers(quantity, top=top)
        names = ("read_bytes", "write_bytes") if quantity == "bytes" else (quantity,)
        by_phase = {phase: sum(report.totals[phase][name] for name in names) for phase in PHASES}
        data = values_of(chart.picture)
        for phase, total in by_phase.items():
            assert sum(int(each["value"]) for each in data if each.get("part") == phase) == total
        assert len({each["name"] for each in data}) <= max(top, 2)
        assert chart.table.total is not None
        assert chart.table.total[-1] == sum(by_phase.values())
        assert exact(sum(by_phase.values())) in chart.description


@settings(max_examples=30)
@given(SPECS, st.integers(1, 4))
def test_parameters(spec: str, depth: int) -> None:
    report = nncost.count(spec)
    total = report.parameters.total
    chart = report.plot.layers("parameters")
    assert sum(int(each["value"]) for each in values_of(chart.picture)) == total
    tree = report.plot.tree(depth=depth)
    assert tree.table.rows[0][1] == total
    boxes = values_of(tree.picture)
    first = [each for each in boxes if each["level"] == 0]
    assert sum(int(each["amount"].replace(",", "")) for each in first) == total
    assert max(each["level"] for each in boxes) < depth
    for box in boxes:
        inside = [
            each
            for each in boxes
            if each["level"] == box["level"] + 1 and box["start"] <= each["start"] < box["end"] - 1e-12
        ]
        if inside:
            assert sum(int(each["amount"].replace(",", "")) for each in inside) == int(box["amount"].replace(",", ""))


@settings(max_examples=30)
@given(SPECS, BATCHES)
def test_memory(spec: str, batch: int) -> None:
    report = nncost.count(spec, batch=batch, optimizer="adam")
    chart = report.plot.memory()
    peak = report.memory.step_peak
    assert isinstance(peak, int)
    assert f"At most {exact(peak)} bytes" in chart.description
    assert max(shown(chart, "peak")) == peak / byte_unit(peak).size
    assert max(int(row[2]) for row in chart.table.rows) == peak  # type: ignore[call-overload]
    assert len(chart.table.rows) == len(report.memory.timeline)
    assert str(report.memory.step_peak_at) in chart.description


@settings(max_examples=20)
@given(SPECS, BATCHES)
def test_time_and_roofline(spec: str, batch: int) -> None:
    prediction = nncost.predict(spec, on="a100", batch=batch)
    step = prediction.seconds["step"].value
    for by in ("layer", "phase", "op"):
        chart = prediction.plot.time(by, top=4)
        data = values_of(chart.picture)
        assert sum(each["value"] for each in data) == pytest.approx(step)
    report = nncost.count(spec, batch=batch)
    points = report.plot.roofline("a100").table.rows
    assert sum(row[1] for row in points) == sum(row.flops for row in prediction.rows)  # type: ignore[misc]
    assert all(0 <= row[5].value <= 1.0001 for row in points), "no point is above the roof"  # type: ignore[union-attr]


@settings(max_examples=20)
@given(st.lists(SPECS, min_size=1, max_size=4), BATCHES)
def test_compare(specs: list[str], batch: int) -> None:
    chart = nncost.plot(specs, "compare", batch=batch)
    reports = [nncost.count(spec, batch=batch) for spec in specs]
    titles = chart.table.titles
    for row, report in zip(chart.table.rows, reports, strict=True):
        told = dict(zip(titles, row, strict=True))
        assert told["parameters"] == report.parameters.total
        assert told["memory peak bytes"] == report.memory.step_peak
        for phase in ("forward", "backward", "update"):
            assert told.get(f"flops {phase}", 0) == report.totals[phase].flops
    texts = shown(chart, "text")
    assert all(any(exact(report.parameters.total) == text for text in texts) for report in reports)


@settings(max_examples=15)
@given(
    st.sampled_from(["784-h-10", "h-h-h", "h-3:relu-h", "3xhxh, conv 4 3x3 pad=1, relu, flatten, dense 2"]),
    st.integers(3, 9),
    st.integers(10, 5_000),
)
def test_growth(spec: str, first: int, last: int) -> None:
    chart = nncost.plot(
        spec,
        "growth",
        quantity=["forward.mul", "parameters.total", "memory.step_peak"][: 3 if "x" not in spec else 2],
        over=f"h={first}..{last}",
    )
    rows = chart.table.rows
    assert (rows[0][0], rows[-1][0]) == (exact(first), exact(last))
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        report = nncost.count(spec, symbols={"h": int(str(row[0]).replace(",", ""))})
        assert [report.quantity(name) for name in chart.table.header[1:]] == list(row[1:])


def test_growth_by_phase() -> None:
    chart = nncost.plot("784-h-10", "growth")
    assert chart.table.header == ("h", "forward flops", "loss flops", "backward flops", "update flops")
    sizes = [row[0] for row in chart.table.rows]
    assert sizes == [exact(2**power) for power in range(11)]
    report = nncost.count("784-512-10")
    row = chart.table.rows[9]
    assert list(row[1:]) == [report.totals[phase].flops for phase in PHASES]


def test_many_layers_are_joined() -> None:
    report = nncost.count("-".join(str(10 + each) for each in range(60)))
    chart = report.plot.layers(top=7)
    names = list(dict.fromkeys(shown(chart, "name")))
    assert (len(names), names[-1]) == (7, "54 others")
    assert "the 6 most costly are shown" in chart.description
    assert chart.table.total is not None
    assert chart.table.total[-1] == report.step.flops


def test_equal_layers_of_a_module_stand_together() -> None:
    pytest.importorskip("torch")
    from tests.pictures.subjects import module

    report = nncost.count(module(), (2, 3, 8, 8))
    assert "4-6.0" in {str(each)[:5] for each in shown(report.plot.layers(), "name")}
    tree = report.plot.tree()
    assert any(row[0].strip() == "4-6.0" for row in tree.table.rows)  # type: ignore[union-attr]


def test_other_conventions() -> None:
    report = nncost.count("784-16-10", convention="6nd")
    with pytest.raises(nncost.NncostError, match="of the whole network"):
        report.plot.layers()
    assert "macs" in report.plot.layers("macs").title
