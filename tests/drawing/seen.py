"""What a reader of a drawing sees: its texts and where they stand, and the box that is shown."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree as ET

from nncost.documents.document import Chart
from nncost.views.drawing.text import text_width

SVG = "{http://www.w3.org/2000/svg}"
_ALLOWED = 0.5


class Seen(NamedTuple):
    """A line of text and its box."""

    string: str
    left: float
    top: float
    right: float
    bottom: float


def root_of(chart: Chart) -> ET.Element:
    assert isinstance(chart.picture, str)
    return ET.fromstring(chart.picture)


def texts(chart: Chart) -> list[Seen]:
    found = []
    for element in root_of(chart).iter(f"{SVG}text"):
        string, size = element.text or "", float(element.attrib["font-size"])
        x, y, width = float(element.attrib["x"]), float(element.attrib["y"]), text_width(string, size)
        left = x - {"start": 0, "middle": width / 2, "end": width}[element.attrib["text-anchor"]]
        found.append(Seen(string, left, y - 0.75 * size, left + width, y + 0.2 * size))
    return found


def words(chart: Chart) -> list[str]:
    return [seen.string for seen in texts(chart)]


def check_picture(chart: Chart) -> None:
    """The picture is valid, says what it is, and no label touches another or the edge."""
    root = root_of(chart)
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    assert (root.findtext(f"{SVG}title") or "").strip()
    assert (root.findtext(f"{SVG}desc") or "").strip()
    seen = texts(chart)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    for each in seen:
        assert each.left >= left, each
        assert each.right <= left + width, each
        assert each.top >= top, each
        assert each.bottom <= top + height, each
    for one, other in combinations(seen, 2):
        beside = one.right <= other.left + _ALLOWED or other.right <= one.left + _ALLOWED
        assert beside or one.bottom <= other.top + _ALLOWED or other.bottom <= one.top + _ALLOWED, (one, other)
