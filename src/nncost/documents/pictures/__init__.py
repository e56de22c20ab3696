"""Charts as pictures: SVG inside a page, and files of SVG, PNG, HTML and JSON.

A chart has no colours of its own: ``theme`` gives it those of ``style.css``, as names that a page or a reader's scheme
fills in, or as colours of a light or a dark page. Packages are needed for a Vega-Lite specification only.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nncost.errors import MissingExtraError

if TYPE_CHECKING:
    from nncost.documents.document import Chart

_EXTRA = "charts"


def can_draw(chart: Chart) -> bool:
    """Return whether the chart can be drawn here: an SVG always, Vega-Lite with the package vl-convert-python."""
    return isinstance(chart.picture, str) or find_spec("vl_convert") is not None


def inlined(chart: Chart) -> str:
    """Return the chart as SVG for a page with ``style.css``, whose colours it takes; the page has its title."""
    if isinstance(chart.picture, str):
        return chart.picture
    from nncost.documents.pictures.svg import svg_of

    return svg_of(chart, has_title=False)


def vega() -> Any:
    """Return the package that draws. Raise MissingExtraError without it."""
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("a picture", "vl-convert-python", _EXTRA) from None
    return vl_convert


def altair_chart(chart: Chart) -> Any:
    """Return the chart as an ``altair.Chart``, to go on with.

    Raise OptionError for a drawing, which is no Vega-Lite, and MissingExtraError without the package.
    """
    from nncost.documents.pictures.theme import specification
    from nncost.errors import OptionError

    if isinstance(chart.picture, str):
        raise OptionError("this chart is a drawing, not Vega-Lite: altair cannot hold it.", hint="Save it as SVG.")
    try:
        import altair as alt
    except ImportError:
        raise MissingExtraError("a chart of altair", "altair", _EXTRA) from None
    return alt.Chart.from_dict(specification(chart, "light"))
