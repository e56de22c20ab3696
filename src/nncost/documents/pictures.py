"""Charts as pictures: SVG inside a page, and files of SVG, PNG, HTML and JSON."""

from __future__ import annotations

from importlib.util import find_spec

from nncost.documents.document import Chart


def can_draw(chart: Chart) -> bool:
    """Return whether the chart can be drawn here: an SVG always, Vega-Lite with the package vl-convert-python."""
    return isinstance(chart.picture, str) or find_spec("vl_convert") is not None


def inlined(chart: Chart) -> str:
    """Return the chart as SVG for a page with ``style.css``, whose colours it takes."""
    if isinstance(chart.picture, str):
        return chart.picture
    import vl_convert

    return str(vl_convert.vegalite_to_svg(dict(chart.picture)))
