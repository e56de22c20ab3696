"""Charts of a result: ``report.plot.layers()``, ``prediction.plot.time()``.

A result knows nothing of views: a chart is built by what stands at ``CHARTS`` above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from nncost.records import record

if TYPE_CHECKING:
    from nncost.documents.document import Chart

CHARTS = "nncost.views.charts:chart_of"
"""The function, as ``module:function``, that makes a chart of a kind, a result and settings."""


def _chart(kind: str, subject: object, **settings: object) -> Chart:
    module, _, name = CHARTS.partition(":")
    given = {name: value for name, value in settings.items() if value is not None}
    return cast("Chart", getattr(import_module(module), name)(kind, subject, **given))


@record(eq=False)
class ReportPlots:
    """Charts of a report; each is saved by ``chart.save("x.svg")``, and displays itself in a notebook."""

    report: object

    def layers(self, quantity: str | None = None, *, top: int | None = None) -> Chart:
        """Return the cost of each layer in a ``quantity``, by phase; of many layers the ``top`` most costly.

        ``quantity`` is ``"flops"`` (None), ``"parameters"``, ``"bytes"``, ``"macs"`` …, or with its phase ``"forward.mul"``.
        """
        return _chart("layers", self.report, quantity=quantity, top=top)

    def tree(self, quantity: str = "parameters", *, depth: int | None = None) -> Chart:
        """Return the tree of modules to ``depth`` levels, each module as high as its share of a ``quantity``."""
        return _chart("tree", self.report, quantity=quantity, depth=depth)

    def memory(self) -> Chart:
        """Return the bytes in use over one step, with the peak and its layer."""
        return _chart("memory", self.report)

    def roofline(self, on: str) -> Chart:
        """Return the layers as points under the roofline of a device of the catalogue, such as ``"h100"``."""
        return _chart("roofline", self.report, on=on)

    def growth(self, quantity: str | Sequence[str] = "flops", *, over: str | None = None) -> Chart:
        """Return how quantities grow with the symbol of the report, ``over`` its sizes, as ``"h=16..4096"``."""
        return _chart("growth", self.report, quantity=quantity, over=over)

    def network(self) -> Chart:
        """Return the network as textbooks draw it."""
        return _chart("network", self.report)


@record(eq=False)
class PredictionPlots:
    """Charts of a prediction; each is saved by ``chart.save("x.svg")``, and displays itself in a notebook."""

    prediction: object

    def time(self, by: str = "layer", *, top: int | None = None) -> Chart:
        """Return the seconds ``by`` layer, phase or op, in parts by their causes; of many the ``top`` longest."""
        return _chart("time", self.prediction, by=by, top=top)
