"""A chart as SVG: inside a page, whose colours it takes, or as a file that follows the reader's scheme by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from nncost.documents.pictures.theme import DARK, LIGHT, PAGE, colours, shown, specification

if TYPE_CHECKING:
    from nncost.documents.document import Chart

_NAME = 10
"""Characters that set the names inside a picture apart from those of others."""
_SVG = "http://www.w3.org/2000/svg"
_PAINTED = ("fill", "stroke", "stop-color", "color")
_VARIABLE = re.compile(r"var\(\s*--nn-([a-z-]+)\s*(?:,\s*(#[0-9a-fA-F]{3,8})\s*)?\)")
_UNUSED = ("aria-label", "aria-roledescription", "aria-hidden", "role", "pointer-events")
"""What Vega says of each mark; the whole picture has one description."""


def svg_of(chart: Chart, *, has_title: bool = True) -> str:
    """Return the chart as SVG with its title and description as text, in the colours of the page that it stands in."""
    root = _root(chart, has_title=has_title)
    _describe(root, chart)
    return ET.tostring(root, encoding="unicode")


def svg_file(chart: Chart) -> str:
    """Return an SVG that stands alone: it follows the reader's light or dark scheme or, in a page, the page's colours."""
    root = _root(chart, has_title=True)
    names = dict.fromkeys(name for each in root.iter() for name in _in_classes(each))
    style = ET.Element(f"{{{_SVG}}}style")
    light, dark = (
        "".join(
            f".nn-{place}-{name}{{{place}:var(--nn-{name},{colours(theme)[name]})}}"
            for place, name in names
            if name in colours(theme)
        )
        for theme in (LIGHT, DARK)
    )
    style.text = f"{light}@media (prefers-color-scheme:dark){{{dark}}}"
    root.insert(0, style)
    _describe(root, chart)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def svg_in(chart: Chart, theme: str) -> str:
    """Return the chart as SVG in the colours of a light or a dark page."""
    root = _root(chart, has_title=True)
    for each in root.iter():
        for place, value in each.attrib.items():
            if "var(" in value:
                each.set(place, _coloured(value, theme))
        if each.tag == f"{{{_SVG}}}style" and each.text:
            each.text = _coloured(each.text, theme)
    if isinstance(chart.picture, str):
        paper = ET.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": colours(theme)["paper"]})
        paper.set("x", (root.get("viewBox") or "0 0").split()[0])
        paper.set("y", (root.get("viewBox") or "0 0").split()[1])
        root.insert(0, paper)
    _describe(root, chart)
    return ET.tostring(root, encoding="unicode")


def _root(chart: Chart, *, has_title: bool) -> ET.Element:
    """The picture as elements; all text in it has been escaped by whoever made it."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    if isinstance(chart.picture, str):
        return ET.fromstring(chart.picture)  # noqa: S314 - drawn here
    from nncost.documents.pictures import vega

    spec = specification(chart, PAGE, has_title=has_title)
    root = ET.fromstring(vega().vegalite_to_svg(spec))  # noqa: S314 - drawn here
    for each in root.iter():
        for name in _UNUSED:
            each.attrib.pop(name, None)
        each.attrib.pop("class", None)
    _name_apart(root, sha256(json.dumps(spec).encode()).hexdigest()[:_NAME])
    return root


def _name_apart(root: ET.Element, prefix: str) -> None:
    """Give what is referred to a name of this picture's own, since a page may hold several.

    Vega counts its names through all pictures of a process; ours are the same whenever the picture is drawn.
    """
    old = [name for each in root.iter() if (name := each.get("id")) is not None]
    names = {name: f"nn-{prefix}-{number}" for number, name in enumerate(old)}
    for each in root.iter():
        for name, value in each.attrib.items():
            if name == "id":
                each.set(name, names[value])
            elif value.startswith("url(#") and value.endswith(")"):
                each.set(name, f"url(#{names.get(value[5:-1], value[5:-1])})")


def _describe(root: ET.Element, chart: Chart) -> None:
    """Give the picture its title and description, which stand first; those it had are left out."""
    for old in [child for child in root if child.tag in (f"{{{_SVG}}}title", f"{{{_SVG}}}desc")]:
        root.remove(old)
    for place, (tag, text) in enumerate((("title", chart.title), ("desc", chart.description))):
        element = ET.Element(f"{{{_SVG}}}{tag}")
        element.text = shown(text)
        root.insert(place, element)
    root.set("role", "img")


def _in_classes(each: ET.Element) -> Iterator[tuple[str, str]]:
    """Turn the variables of an element into light colours, which every reader knows, and classes, which adapt."""
    for place in _PAINTED:
        match = _VARIABLE.fullmatch(each.get(place, "").strip())
        if match is not None:
            name = match[1]
            each.set(place, colours(LIGHT).get(name, match[2] or "#000000"))
            each.set("class", f"{each.get('class', '')} nn-{place}-{name}".strip())
            yield place, name


def _coloured(text: str, theme: str) -> str:
    return _VARIABLE.sub(lambda match: colours(theme).get(match[1], match[2] or "#000000"), text)
