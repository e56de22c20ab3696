"""Names that anybody may choose stay text in every format: no element, no expression, no field, no loss of the rest."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.documents.document import Chart
from nncost.names import cut, printable, short_names
from nncost.records import replace
from nncost.views.charts import chart_of
from nncost.views.charts.parts import LABEL
from nncost.views.charts.time import time_chart
from tests.pictures.subjects import CNN, HOSTILE, WORST, renamed, values_of
from tests.trials import trials

vl_convert = pytest.importorskip("vl_convert")
KINDS = ("layers", "tree", "memory", "roofline", "time", "compare", "network")
DRAWN = {
    "svg",
    "g",
    "path",
    "text",
    "rect",
    "line",
    "title",
    "desc",
    "style",
    "defs",
    "clipPath",
    "tspan",
    "circle",
    "polygon",
    "polyline",
    "ellipse",
    "marker",
}
EXPRESSIONS = ("signal", "expr", "update", "test")


def hostile(kind: str, names: tuple[str, ...] = WORST) -> Chart:
    """The chart of a network whose layers, source and operations are called so."""
    report = renamed(names, nncost.count(CNN))
    if kind == "time":
        prediction = nncost.predict(CNN, on="h100")
        rows = [replace(row, path=names[place % len(names)]) for place, row in enumerate(prediction.rows)]
        return time_chart(replace(prediction, rows=rows, source=names[0]))
    if kind == "compare":
        reports = [replace(report, source=replace(report.source, name=name)) for name in names[:10]]
        return chart_of("compare", reports)
    return chart_of(kind, report, **({"on": "h100"} if kind == "roofline" else {}))


def elements(svg: str) -> set[str]:
    root = ET.fromstring(svg)
    for each in root.iter():
        for name, value in each.attrib.items():
            assert not name.lower().startswith("on"), name
            assert "href" not in name
            assert "javascript" not in value
    return {each.tag.rpartition("}")[2] for each in root.iter()}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.text += data


@pytest.mark.parametrize("kind", KINDS)
def test_every_format(kind: str, tmp_path: Path) -> None:
    chart = hostile(kind)
    for ending in ("svg", "png", "html", "json"):
        chart.save(tmp_path / f"x.{ending}")
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert elements(svg) <= DRAWN
    assert "onerror" in "".join(ET.fromstring(svg).itertext())
    page = Page((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert {"img", "iframe", "object", "link"}.isdisjoint(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert page.tags.count("script") in (0, 3)
    assert HOSTILE.partition("/script>")[2] in page.text
    told = json.loads((tmp_path / "x.json").read_text())
    if page.scripts:
        assert json.loads(page.scripts[0])["data"] == told["data"]
        assert "</" not in page.scripts[0]
    assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]*", json.dumps(told, ensure_ascii=False))
    for form in ("plain", "markdown", "latex", "html", "json", "csv"):
        assert chart.render(form).encode()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "network"])
def test_no_name_is_in_an_expression_or_a_field(kind: str) -> None:
    """In what Vega runs, every name is a value of the data, or a text that is drawn."""
    marked = tuple(f"MARK{number}{name}" for number, name in enumerate(WORST))
    spec = hostile(kind, marked).to_dict()
    vega = vl_convert.vegalite_to_vega(spec)
    vega["data"] = [{**each, "values": []} for each in vega["data"]]
    for path, text in strings(vega, ()):
        if "MARK" in text:
            assert path[-1] in ("description", "text") or path[-2] == "text", path


def strings(value: Any, path: tuple[Any, ...]) -> Any:
    if isinstance(value, dict):
        for name, part in value.items():
            assert "MARK" not in name
            yield from strings(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from strings(part, (*path, number))
    elif isinstance(value, str):
        yield path, value


@pytest.mark.parametrize(
    "name", ["</script><img src=x onerror=alert(1)>", "datum.x + 1", "a[0]", "batch size", "é", "__proto__"]
)
def test_symbols(name: str, tmp_path: Path) -> None:
    """A file's open size has any name; the axis says it."""
    pytest.importorskip("onnx")
    import numpy as np

    from tests.onnx.models import make_model, node, saved

    model = make_model([node("Gemm", "x w")], {"x": (name, 3)}, constants={"w": np.zeros((3, 4), "f4")})
    path = saved(model, tmp_path)
    chart = nncost.plot(path, "growth", loss="squared_error", optimizer="sgd")
    for ending in ("svg", "png", "html", "json"):
        chart.save(tmp_path / f"x.{ending}")
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert elements(svg) <= DRAWN
    assert name in ET.fromstring(svg).itertext() or name in "".join(ET.fromstring(svg).itertext())
    assert {"img"}.isdisjoint(Page((tmp_path / "x.html").read_text(encoding="utf-8")).tags)
    over = nncost.plot(path, "growth", over=f"{name}=2..9", loss="squared_error", optimizer="sgd")
    assert over.table.rows[0][0] == "2"


TEXT = st.text(max_size=40)


@settings(max_examples=trials(10))
@given(st.lists(TEXT, min_size=1, max_size=6))
def test_any_name(names: list[str]) -> None:
    from nncost.documents.pictures import inlined
    from nncost.documents.pictures.svg import svg_file

    chart = hostile("layers", tuple(names))
    assert elements(inlined(chart)) <= DRAWN
    assert elements(svg_file(chart).partition("\n")[2]) <= DRAWN
    json.dumps(chart.to_dict()).encode()
    told = {each["name"] for each in values_of(chart.to_dict())}
    assert len(told) == len({printable(name) for name in told})


@given(st.lists(st.text(max_size=90), min_size=1, max_size=12))
def test_short_names_stay_different(names: list[str]) -> None:
    short = short_names(names, LABEL)
    assert [[one == other for other in short] for one in short] == [[one == other for other in names] for one in names]


@given(st.text(max_size=90), st.integers(3, 60))
def test_cut(name: str, room: int) -> None:
    assert len(cut(name, room)) <= max(room, min(len(name), room))
    assert cut(name, room) == name or "…" in cut(name, room)


def test_giants(tmp_path: Path) -> None:
    """Amounts beyond 2**53 keep their digits as text; those beyond what a picture can hold are refused."""
    chart = nncost.plot("99999999999-99999999999-2")
    values = [each["value"] for each in values_of(chart.picture)]
    assert any(isinstance(value, str) for value in values)
    assert sum(map(int, values)) == nncost.count("99999999999-99999999999-2").step.flops
    chart.save(tmp_path / "x.svg")
    huge = "9" * 400
    for kind in ("layers", "tree", "memory", "compare"):
        with pytest.raises(nncost.NncostError, match="too large to be drawn"):
            nncost.plot(f"{huge}-{huge}-2", kind)
