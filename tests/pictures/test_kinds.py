"""Every kind of chart of a spec, an ONNX file and a module, as SVG, PNG, HTML, JSON and text."""

from __future__ import annotations

import json
import struct
import warnings
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import nncost
from nncost.documents.document import Chart
from nncost.documents.pictures.theme import colours
from nncost.errors import OptionError
from nncost.views.charts import KINDS
from tests.pictures.subjects import KNOWN, MLP, drawn

pytest.importorskip("vl_convert")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("sources")

    @cache
    def made(source: str, kind: str) -> Chart:
        pytest.importorskip("onnx" if source == "onnx" else "torch" if source == "module" else "nncost")
        return drawn(source, kind, folder)

    return made


@pytest.mark.parametrize("source", ["spec", "onnx", "module"])
@pytest.mark.parametrize("kind", KNOWN)
def test_files(source: str, kind: str, charts: object, tmp_path: Path) -> None:
    chart: Chart = charts(source, kind)  # type: ignore[operator]
    for ending in ("svg", "png", "html", "json"):
        chart.save(tmp_path / f"picture.{ending}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"picture.{ending}" for ending in ("html", "json", "png", "svg")
    ]
    root = ET.parse(tmp_path / "picture.svg").getroot()
    assert (root.tag, root.get("role")) == (f"{SVG}svg", "img")
    assert root[0].tag == f"{SVG}title"
    assert (root[0].text, root[1].text) == (chart.title, chart.description)
    width, height = size_of_png((tmp_path / "picture.png").read_bytes())
    assert width > 600
    assert height > 60
    page = (tmp_path / "picture.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org/", "")[:2_000]
    told = json.loads((tmp_path / "picture.json").read_text())
    assert told.get("$schema", "").endswith("v6.json") or told["kind"] == "chart"


def size_of_png(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


@pytest.mark.parametrize("source", ["spec", "onnx", "module"])
@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind != "network"])
def test_specifications_are_valid(source: str, kind: str, charts: object) -> None:
    altair = pytest.importorskip("altair")
    chart: Chart = charts(source, kind)  # type: ignore[operator]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = chart.altair()
    assert isinstance(made, altair.TopLevelMixin)
    for theme in ("light", "dark"):
        altair.Chart.from_dict(chart.to_dict(theme), validate=True)


@pytest.mark.parametrize("kind", KNOWN)
def test_text_and_notebooks(kind: str, charts: object) -> None:
    chart: Chart = charts("spec", kind)  # type: ignore[operator]
    text = str(chart)
    assert text.startswith(chart.title[:40])
    assert len(repr(chart).splitlines()) == 1
    bundle = chart._repr_mimebundle_()
    assert bundle["text/plain"] == text
    assert "<script" not in bundle["text/html"]
    assert "<svg" in bundle["text/html"]
    assert "var(--nn-ink" in bundle["text/html"]
    for form in ("markdown", "latex", "csv", "json", "plain"):
        assert chart.render(form)


class Tags(HTMLParser):
    """The elements of a page, and whether an attribute loads or runs something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loading: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loading += [name for name, _ in attrs if name in ("src", "srcset") or name.startswith("on")]


@pytest.mark.parametrize("kind", KNOWN)
def test_pages_load_nothing(kind: str, charts: object, tmp_path: Path) -> None:
    chart: Chart = charts("spec", kind)  # type: ignore[operator]
    chart.save(tmp_path / "x.html")
    parsed = Tags((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert parsed.loading == []
    assert "link" not in parsed.tags
    assert parsed.tags.count("script") in (0, 3)
    assert parsed.tags.count("svg") == 1


def test_an_interactive_page_holds_vega(charts: object, tmp_path: Path) -> None:
    charts("spec", "memory").save(tmp_path / "x.html")  # type: ignore[operator]
    charts("spec", "layers").save(tmp_path / "y.html")  # type: ignore[operator]
    assert (tmp_path / "x.html").stat().st_size > 500_000
    assert (tmp_path / "y.html").stat().st_size < 60_000


def test_svg_adapts(charts: object, tmp_path: Path) -> None:
    charts("spec", "layers").save(tmp_path / "x.svg")  # type: ignore[operator]
    text = (tmp_path / "x.svg").read_text()
    for theme in ("light", "dark"):
        assert f"fill:var(--nn-backward,{colours(theme)['backward']})" in text
    assert "@media (prefers-color-scheme:dark)" in text
    assert f'fill="{colours("light")["forward"]}"' in text


def test_themes_differ(charts: object, tmp_path: Path) -> None:
    chart = charts("spec", "layers")  # type: ignore[operator]
    chart.save(tmp_path / "light.png")
    chart.save(tmp_path / "dark.png", "dark")
    assert (tmp_path / "light.png").read_bytes() != (tmp_path / "dark.png").read_bytes()
    assert chart.to_dict("dark")["background"] == colours("dark")["paper"]


def test_pictures_of_one_page_share_no_name(charts: object) -> None:
    from nncost.documents.pictures import inlined

    names = []
    for kind in ("memory", "roofline"):
        root = ET.fromstring(inlined(charts("spec", kind)))  # type: ignore[operator]
        own = {each.get("id") for each in root.iter() if each.get("id")}
        used = {value[5:-1] for each in root.iter() for value in each.attrib.values() if value.startswith("url(#")}
        assert own >= used
        assert used, "what one can zoom is clipped"
        names.append(own)
    assert names[0].isdisjoint(names[1])


def test_an_svg_as_picture(tmp_path: Path) -> None:
    """A drawing keeps its elements, takes the colours of a theme, and its JSON is the block."""
    chart = nncost.plot(MLP)
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10" width="20" height="10"><title>old</title>'
        '<style>.a{stroke:var(--nn-line,#123456)}</style><rect class="a" width="5" height="5" fill="var(--nn-forward, #00528c)"/></svg>'
    )
    drawing = Chart("A title", "What it is.", picture, chart.table)
    for ending in ("svg", "png", "html", "json"):
        drawing.save(tmp_path / f"x.{ending}", "dark" if ending == "png" else "light")
    text = (tmp_path / "x.svg").read_text()
    assert "old" not in text
    assert "<title>A title</title><desc>What it is.</desc>" in text
    assert 'class="a nn-fill-forward"' in text
    assert json.loads((tmp_path / "x.json").read_text())["picture"] == picture
    with pytest.raises(OptionError, match="drawing"):
        drawing.altair()


def test_every_kind_is_listed() -> None:
    assert list(KINDS) == ["layers", "tree", "memory", "roofline", "growth", "time", "compare", "network"]
    assert all(kind.help for kind in KINDS.values())
