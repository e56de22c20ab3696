"""The look of every chart: one Vega-Lite config in the colours of ``style.css``.

Colours are told apart by those who see few of them and in grey; shapes, order and labels say the same once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from nncost.documents.html import style
from nncost.names import printable
from nncost.units import abbreviated

if TYPE_CHECKING:
    from nncost.documents.document import Chart

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LIGHT, DARK, PAGE = "light", "dark", "page"
"""Colours of a light or a dark page, or the names that a page gives them."""
THEMES = (LIGHT, DARK)
CATEGORY = ("forward", "loss", "backward", "update", "other")
"""The colours of categories, in the order of Vega-Lite's range."""
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
"""Fonts of one width for each letter, so that what was measured here fits there."""
_MAX_WHOLE = 2**53
"""From here on a number of JavaScript loses digits; the text beside it has them."""
_TITLE_COLUMNS = 88
_PAIR = re.compile(r"--nn-([a-z-]+): (#[0-9a-f]{6})")
Paint = Callable[[str], str]


@cache
def colours(theme: str) -> Mapping[str, str]:
    """Return the colours of ``style.css`` by their names, for a light or a dark page."""
    light, _, rest = style().partition("@media (prefers-color-scheme: dark)")
    return dict(_PAIR.findall(light if theme == LIGHT else rest.partition("\n}\n")[0]))


def paint(theme: str) -> Paint:
    """Return what gives a name its colour; for a page, a variable that falls back to the light one."""
    if theme == PAGE:
        return lambda name: f"var(--nn-{name}, {colours(LIGHT)[name]})"
    return lambda name: colours(theme)[name]


def specification(chart: Chart, theme: str, *, has_title: bool = True) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart with the theme: plain data, its text harmless."""
    assert not isinstance(chart.picture, str)
    colour = paint(theme)
    spec = {"$schema": SCHEMA, **plain(chart.picture)}
    spec["description"] = shown(chart.description)
    if has_title:
        spec["title"] = {"text": _lines(shown(chart.title))}
    spec["background"] = colour("paper") if has_title else "transparent"
    spec["config"] = config(colour)
    return spec


def plain(value: Any) -> Any:
    """Return data that any reader takes: text that can be shown, numbers that JavaScript holds."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > _MAX_WHOLE else value


def shown(text: str) -> str:
    """Return anybody's text as a picture shows it: on one line, giant numbers without their middle."""
    return abbreviated(printable(" ".join(text.splitlines()) if "\n" in text else text))


def _lines(title: str) -> list[str]:
    from nncost.documents.lines import wrapped

    return wrapped(title, _TITLE_COLUMNS)


def config(colour: Paint) -> dict[str, Any]:
    """Return the config of Vega-Lite: fonts, spaces, lines and colours."""
    ink, soft, line, paper = map(colour, ("ink", "soft", "line", "paper"))
    return {
        "font": FONT,
        "padding": {"left": 12, "right": 16, "top": 12, "bottom": 12},
        "title": {"color": ink, "fontSize": 15, "fontWeight": "bold", "anchor": "start", "frame": "bounds", "offset": 14,
                  "lineHeight": 19},
        "view": {"stroke": None},
        "axis": {"labelColor": ink, "titleColor": soft, "titleFontWeight": "normal", "labelFontSize": 11.5, "titleFontSize": 11.5,
                 "gridColor": line, "gridOpacity": 0.7, "domainColor": line, "tickColor": line, "tickSize": 4, "labelPadding": 5,
                 "titlePadding": 9, "labelLimit": 320, "labelOverlap": True},
        "axisX": {"domain": False, "ticks": False},
        "axisQuantitative": {"tickCount": 6},
        "legend": {"labelColor": ink, "titleColor": soft, "titleFontWeight": "normal", "labelFontSize": 11.5, "titleFontSize": 11.5,
                   "orient": "top", "direction": "horizontal", "title": None, "symbolType": "square", "symbolSize": 110, "offset": 10,
                   "columnPadding": 16, "symbolStrokeWidth": 0, "labelLimit": 320},
        "header": {"labelColor": ink, "titleColor": soft, "labelFontSize": 12},
        "range": {"category": [colour(name) for name in CATEGORY]},
        "mark": {"color": colour("forward")},
        "bar": {"color": colour("forward")},
        "point": {"filled": True, "size": 70, "opacity": 0.9},
        "line": {"strokeWidth": 2.2},
        "rule": {"color": soft},
        "text": {"color": ink, "fontSize": 11.5},
        "style": {
            "soft": {"color": soft, "fill": soft},
            "peak": {"color": colour("alarm"), "fill": colour("alarm")},
            "module": {"stroke": paper, "strokeWidth": 1.5}, "band": {"fill": line, "color": line, "opacity": 0.3},
            "during": {"fill": colour("forward"), "color": colour("forward")}, "base": {"stroke": paper, "color": paper, "strokeWidth": 1.4},
            "halo": {"fill": paper, "color": paper, "stroke": paper, "strokeWidth": 3.5, "strokeJoin": "round"},
            "on-dark": {"fill": paper, "color": paper},
            "split": {"stroke": paper, "strokeWidth": 1},
            "roof": {"stroke": ink, "color": ink, "strokeWidth": 1.6}, "dot": {"opacity": 0.62},
        },
    }  # fmt: skip
