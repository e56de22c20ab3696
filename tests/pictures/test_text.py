"""Charts as text: few rows, bars that are seen, names that tell rows apart, and units as everywhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.errors import OptionError
from nncost.names import cut
from nncost.units import bytes_text
from tests.pictures.subjects import KNOWN, MLP

GPT = (
    "16, embedding 500 64, [residual[layernorm, attention heads=4 causal], residual[layernorm, dense 256, gelu, dense 64]]*6, "
    "layernorm, dense 500 bias=no"
)
LONG = "-".join(map(str, range(20, 80)))
BAR = "[█▏▎▍▌▋▊▉]"


def told(source: Any, kind: str, width: int | None = 80, **settings: Any) -> str:
    """The text of a chart on a terminal of that width."""
    return nncost.plot(source, kind, **settings).render(width=width)


@pytest.mark.parametrize("source", [MLP, GPT, LONG])
@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind not in ("network", "growth", "compare")])
def test_bars_stand_in_eighty_columns(source: str, kind: str) -> None:
    text = told(source, kind, **({"on": "h100"} if kind in ("roofline", "time") else {}))
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(BAR + "$", text, re.MULTILINE)) > 1


@pytest.mark.parametrize(
    "sources", [[MLP, "784-128:relu-10"], [GPT, MLP], ["3x224x224, conv 64 3x3, flatten, dense 1000", LONG, "7-3"]]
)
def test_networks_side_by_side_stand_in_one_table(sources: list[str]) -> None:
    text = told(sources, "compare")
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(BAR + "$", text, re.MULTILINE)) == len(sources)
    assert text.count("peak bytes") == 1


@pytest.mark.parametrize("kind", ["memory", "roofline", "network"])
def test_text_has_few_rows_and_the_table_all(kind: str) -> None:
    chart = nncost.plot(LONG, kind, **({"on": "h100"} if kind == "roofline" else {}))
    assert chart.short is not None
    assert len(chart.short.rows) <= 25 < len(chart.table.rows)
    assert len(str(chart).splitlines()) < 45
    assert len(chart.render("csv").splitlines()) == len(chart.table.rows) + 1


def test_what_is_shown_of_many_rows_adds_up() -> None:
    network = nncost.plot(LONG, "network")
    assert network.short is not None
    assert sum(row[-1] for row in network.short.rows) == nncost.count(LONG).parameters.total  # type: ignore[misc]
    memory = nncost.plot(LONG, "memory")
    assert memory.short is not None
    assert max(row[2] for row in memory.short.rows) == nncost.count(LONG).memory.step_peak  # type: ignore[type-var]
    roofline = nncost.plot(LONG, "roofline", on="h100", top=5)
    assert roofline.short is not None
    assert len(roofline.short.rows) == 5
    flops = [sum(row[1] for row in table.rows) for table in (roofline.short, roofline.table)]  # type: ignore[misc]
    assert flops[0] == flops[1]


def test_all_others_together_do_not_make_the_rest_small() -> None:
    text = told(LONG, "layers", top=10)
    assert re.search(r"^\d+ others .*  not drawn$", text, re.MULTILINE)
    longest = max(len(re.findall(BAR, line)) for line in text.splitlines())
    assert longest > 7


@pytest.mark.parametrize("source", [MLP, GPT, "8-8-8-8:relu-8:softmax"])
def test_points_have_names_of_their_own(source: str) -> None:
    names = [row[0] for row in nncost.plot(source, "roofline", on="h100").table.rows]
    assert len(set(names)) == len(names)
    if source == MLP:
        assert {"dense.3 dense forward", "dense.3 sigmoid forward", "dense.1-2 sigmoid forward"} <= set(names)


def test_bytes_are_those_of_every_page() -> None:
    report = nncost.count(MLP)
    for text in (report.plot.memory().description, str(report.plot.layers("bytes")), str(report.plot.tree("bytes"))):
        assert not re.search("[KMG]iB", text)
    assert bytes_text(report.memory.step_peak) in report.plot.memory().description  # type: ignore[arg-type]


def test_a_single_cause_is_named() -> None:
    spec = nncost.plot("7-3", "time", on="h100").to_dict()
    assert spec["layer"][0]["encoding"]["color"]["legend"]["values"] == ["overhead"]


def test_a_flat_tree_has_one_colour_and_no_others_among_the_largest() -> None:
    chart = nncost.plot("100-99-98-97-96-95-94-93", "tree")
    assert len(chart.table.rows) > 7
    assert len({each["branch"] for each in chart.to_dict()["data"]["values"]}) == 1
    chart = nncost.plot(GPT, "tree", depth=1)
    assert "other" not in re.findall(r"The largest: (.*?)\. ", chart.description)[0]
    chart = nncost.plot("500-500-500-1", "tree")
    assert "1 other" in [str(row[0]).strip() for row in chart.table.rows]


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (60, "repeat.1.residual.1.attention.1.query"),
        (34, "repeat.1…attention.1.query"),
        (20, "repeat.1…query"),
        (12, "repe…1.query"),
    ],
)
def test_a_path_is_cut_between_modules(room: int, shown: str) -> None:
    name = "repeat.1.residual.1.attention.1.query"
    assert cut(name, room) == shown


def test_charts_are_asked_for_by_name() -> None:
    report, prediction = nncost.count(MLP), nncost.predict(MLP, on="h100")
    assert str(report.plot()) == str(report.plot("cost")) == str(report.plot.layers())
    assert str(report.plot("tree", depth=1)) == str(report.plot.tree(depth=1))
    assert str(prediction.plot(by="phase")) == str(prediction.plot.time("phase"))


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda report: report.plot.roofline(), OptionError, "the chart roofline needs a device"),
        (lambda report: report.plot("roofline"), OptionError, "the chart roofline needs a device"),
        (lambda report: report.plot("time"), OptionError, "Charts here: layers, tree, memory"),
        (lambda report: report.plot("pie"), OptionError, "there is no chart 'pie'"),
        (lambda report: report.plot.pie, AttributeError, "Charts: layers, tree, memory, roofline, growth, network"),
    ],
)  # fmt: skip
def test_what_is_no_chart_of_a_report(ask: Callable[[Any], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        ask(nncost.count(MLP))


def test_an_arrow_leaves_a_sum_where_it_stands(tmp_path: Path) -> None:
    svg = nncost.plot(GPT, "network").picture
    assert isinstance(svg, str)
    sums = {(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="8', svg)}
    starts = {(float(x), float(y)) for x, y in re.findall(r'<(?:path d="M|polyline points=")([\d.]+)[ ,]([\d.]+)', svg)}
    assert sums
    assert any((x + 8, y) in starts for x, y in sums)
