"""The look: colours that few-coloured eyes and grey tell apart, contrast, text inside its picture, labels apart."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import nncost
from nncost.documents.html import style
from nncost.documents.pictures.theme import CATEGORY, colours, config, paint
from tests.pictures.subjects import CNN, KNOWN, MLP, drawn

pytest.importorskip("vl_convert")
THEMES = ["light", "dark"]
SVG = "http://www.w3.org/2000/svg"
DEEP = "-".join(str(100 + 7 * each) for each in range(40))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lightness(colour: str) -> float:
    y = luminance(colour)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_legible(theme: str) -> None:
    named = colours(theme)
    for name in ("ink", "soft", "alarm"):
        assert contrast(named[name], named["paper"]) >= 4.5, name
    assert contrast(named["forward"], named["paper"]) >= 4.5, "text stands on it"


@pytest.mark.parametrize("theme", THEMES)
def test_phases_are_told_apart_in_grey(theme: str) -> None:
    named = colours(theme)
    for one, other in itertools.combinations(("forward", "backward", "update"), 2):
        assert abs(lightness(named[one]) - lightness(named[other])) >= 8, (one, other)
    for one, other in itertools.pairwise(("forward", "loss", "backward")):
        assert abs(lightness(named[one]) - lightness(named[other])) >= 8, (one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_those_of_the_style_sheet(theme: str) -> None:
    assert config(paint(theme))["range"]["category"] == [colours(theme)[name] for name in CATEGORY]
    assert set(re.findall(r"#[0-9a-f]{6}", str(config(paint(theme))))) <= set(colours(theme).values())
    assert set(colours("light")) == set(colours("dark"))
    assert all(f"--nn-{name}: {colour}" in style() for name, colour in colours(theme).items())


def texts(svg: str) -> list[tuple[float, float, float, float, str]]:
    """The boxes of upright texts, about as wide as they are drawn; none may reach out of what it is clipped to."""
    clips = {
        each.get("id"): each[0] for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}clipPath") if len(each)
    }
    found: list[tuple[float, float, float, float, str]] = []

    def walk(each: ET.Element, x: float, y: float, room: tuple[float, float, float, float] | None) -> None:
        transform = each.get("transform", "")
        moved = re.match(r"translate\(([-\d.e]+),\s*([-\d.e]+)\)", transform)
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        if each.tag.endswith("text") and each.get("stroke"):  # what keeps the grid away from the text on it
            return
        clip = each.get("clip-path")
        if clip is not None:
            kept = clips[clip.removeprefix("url(#").removesuffix(")")]
            room = x, y, x + float(kept.get("width", "0")), y + float(kept.get("height", "0"))
        if each.tag.endswith("}text") and each.text and "rotate" not in transform and each.get("opacity") != "0":
            size = float(each.get("font-size", "11px").removesuffix("px"))
            wide = sum(0.3 if sign in "il.,:;|!'1I[] t" else 0.5 for sign in each.text) * size
            left = x - {"end": wide, "middle": wide / 2}.get(each.get("text-anchor", ""), 0)
            if room is not None and each.text.strip():
                assert room[0] - 2 <= left and left + wide <= room[2] + 2, each.text  # noqa: PT018
                assert room[1] - 2 <= y - 0.7 * size and y <= room[3] + 2, each.text  # noqa: PT018
            found.append((left, y - 0.7 * size, left + wide, y + 0.15 * size, each.text))
        for child in each:
            walk(child, x, y, room)

    walk(ET.fromstring(svg), 0, 0, None)
    return found


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind != "network"])
@pytest.mark.parametrize("source", ["spec", MLP, DEEP])
def test_texts_are_inside_and_apart(kind: str, source: str, tmp_path: Path) -> None:
    """No text is cut off at an edge, and none is on another one."""
    from tests.pictures.subjects import SETTINGS

    if source == "spec":
        chart = drawn("spec", kind, tmp_path)
    else:
        growing = {"batch": "N"} if kind == "growth" else {}
        chart = nncost.plot([source, CNN] if kind == "compare" else source, kind, **SETTINGS.get(kind, {}), **growing)
    chart.save(tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)
    wide, high = (float(root.get(name, "0")) for name in ("width", "height"))
    boxes = texts(text)
    assert len(boxes) > 1
    for left, upper, right, lower, said in boxes:
        assert left >= -1, said
        assert upper >= -1, said
        assert right <= wide + 1, said
        assert lower <= high + 1, said
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


@pytest.mark.parametrize("batch", [1, 1024])
def test_what_is_there_before_a_step_is_read_whatever_its_height(batch: int, tmp_path: Path) -> None:
    nncost.plot("3x32x32, conv 64 3 pad=1, relu", "memory", batch=batch, optimizer="adam").save(tmp_path / "x.svg")
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    (box,) = [box for box in texts(svg) if "before the step" in box[-1]]
    axis = [box for box in texts(svg) if "layer by layer" in box[-1]]
    assert box in axis or box[3] < axis[0][1] - 10


@pytest.mark.parametrize("quantity", ["flops", "parameters", "mul", "memory.step_peak", ["neurons", "forward.mul"]])
def test_every_line_of_growth_is_seen(quantity: str | list[str], tmp_path: Path) -> None:
    nncost.plot("784-h-h-10", "growth", quantity=quantity, over="h=16..4096").save(tmp_path / "x.svg")
    paths = [
        each
        for each in ET.parse(tmp_path / "x.svg").getroot().iter(f"{{{SVG}}}path")
        if each.get("d", "").count("L") > 4
    ]
    assert paths
    for each in paths:
        assert {each.get("stroke"), each.get("fill")} - {None, "none", "transparent"}
