"""A chart as a page of HTML in one file: without scripts or, where one can point and zoom, with Vega inside."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from nncost.documents import html
from nncost.documents.pictures.theme import PAGE, specification

if TYPE_CHECKING:
    from nncost.documents.document import Chart

_TOOLTIP = """
#vg-tooltip-element { font: 13px/1.4 system-ui, sans-serif; color: var(--nn-ink); background: var(--nn-paper); border: 1px solid var(--nn-line);
  border-radius: 4px; padding: .4rem .6rem; position: fixed; z-index: 1000; visibility: hidden; box-shadow: 0 2px 8px #0003; }
#vg-tooltip-element.visible { visibility: visible; }
#vg-tooltip-element td.key { color: var(--nn-soft); text-align: right; padding-right: .6em; }
#vg-tooltip-element td.value { overflow-wrap: anywhere; max-width: 30rem; font-variant-numeric: tabular-nums; }
"""
_START = """
const place = document.getElementById("picture"), still = place.innerHTML;
const spec = JSON.parse(document.getElementById("chart").textContent);
vegaEmbed(place, spec, {actions: false, renderer: "svg", tooltip: {disableDefaultStyle: true}, loader: {load: () => Promise.reject()}})
  .catch(() => { place.innerHTML = still; });
"""


def page(chart: Chart) -> str:
    """Return a page with the picture, what it says in words, and its numbers; with scripts where one can interact."""
    if not is_interactive(chart):
        return still(chart)
    return html.page(chart.title, _body(chart, _scripts(chart)), f"<style>{_TOOLTIP}</style>\n")


def still(chart: Chart) -> str:
    """Return the page without scripts."""
    return html.page(chart.title, _body(chart, ""))


def is_interactive(chart: Chart) -> bool:
    """Return whether one can point at the chart's marks or zoom into it: it says so in ``usermeta``."""
    return not isinstance(chart.picture, str) and bool(chart.picture.get("usermeta", {}).get("interactive"))


def _body(chart: Chart, scripts: str) -> str:
    from nncost.documents.pictures import can_draw, inlined

    if not can_draw(chart):
        return f"<h1>{html.text(chart.title)}</h1>\n<p>{html.text(chart.description)}</p>\n{html.table(chart.table)}"
    zoom = "; drag and turn the wheel to zoom" if _can_zoom(chart) else ""
    hint = f'<p class="note">Point at the marks for their numbers{zoom}.</p>\n'
    return (
        f"<h1>{html.text(chart.title)}</h1>\n<p>{html.text(chart.description)}</p>\n"
        f'<figure>\n<div class="picture" id="picture">{inlined(chart)}</div>\n{hint if scripts else ""}</figure>\n'
        f"<details>\n<summary>The numbers</summary>\n{html.table(chart.table)}\n</details>{scripts}"
    )


def _can_zoom(chart: Chart) -> bool:
    return not isinstance(chart.picture, str) and any("params" in layer for layer in chart.picture.get("layer", ()))


def _scripts(chart: Chart) -> str:
    """Vega, the chart as data, and what draws it; without them the still picture remains."""
    spec = specification(chart, PAGE, has_title=False)
    return (
        f'\n<script type="application/json" id="chart">{inside_script(spec)}</script>\n'
        f"<script>{_bundle()}</script>\n<script>{_START}</script>"
    )


def inside_script(value: Any) -> str:
    """Return JSON in which no text can end the element that it stands in."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _bundle() -> str:
    """Vega as a script; nothing in it ends the element."""
    from nncost.documents.pictures import vega

    return str(vega().javascript_bundle()).replace("</script", "<\\/script").replace("<!--", "<\\!--")
