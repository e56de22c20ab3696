"""A picture of a network or of its costs: as SVG, as a figure of a page, or as Vega-Lite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncost.errors import OptionError
from nncost.pipeline.choices import check_choice

if TYPE_CHECKING:
    from nncost.documents.document import Chart

SVG = "svg"
FORMS = (SVG, "html", "json")
THEMES = ("light", "dark")


def plot(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chart: its ``title``, its ``description`` for those who do not see it, and the ``picture`` in its ``form``.

    SVG takes the colours of the page that it stands in, HTML is a figure with the numbers as a table, JSON is Vega-Lite in
    the colours of a ``theme``. Raise OptionError for another kind, form or theme, and for seconds without a device.
    """
    from nncost.api import plot as plotted
    from nncost.timing.devices.catalogue import device_named
    from nncost.views.charts import KINDS, kind_named

    settings = dict(request)
    form, theme = settings.pop("form", SVG), settings.pop("theme", THEMES[0])
    check_choice("form", form, FORMS, {})
    check_choice("theme", theme, THEMES, {})
    kind = settings["kind"] = kind_named(settings["kind"])
    if "on" in settings:
        settings["on"] = device_named(settings["on"]).name
    elif "on" in (*KINDS[kind].needs, *KINDS[kind].asked):
        raise OptionError(f"the chart {kind} needs a device of the catalogue.", hint="For example: on=h100")
    chart = plotted(**settings)
    picture = _picture(chart, form, theme)
    return {
        "kind": kind, "form": form, "title": chart.title, "description": chart.description, "complete": chart.complete,
        "picture": picture,
    }  # fmt: skip


def _picture(chart: Chart, form: str, theme: str) -> str | dict[str, Any]:
    if form == "json":
        return chart.to_dict(theme)
    if form == SVG:
        from nncost.documents.pictures import inlined

        return inlined(chart)
    from nncost.documents.html import figure

    return figure(chart)
