"""Charts of a result: ``report.plot.layers()``, ``prediction.plot.time()``.

A result knows nothing of views: a chart is built by what stands at ``CHARTS`` above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from nncost.errors import OptionError
from nncost.records import record

if TYPE_CHECKING:
    from nncost.documents.document import Chart

CHARTS = "nncost.views.charts"
"""The module with the functions that find a kind by its name and make its chart of a result and settings."""


def _above(name: str) -> Any:
    return getattr(import_module(CHARTS), name)


def _chart(kind: str, subject: object, **settings: object) -> Chart:
    given = {name: value for name, value in settings.items() if value is not None}
    return cast("Chart", _above("chart_of")(kind, subject, **given))


class _Plots:
    """What charts of any result have in common: they are asked for by name, too."""

    def _of(self, kind: str, settings: dict[str, Any]) -> Chart:
        name = _kind_named(kind)
        if not callable(method := getattr(type(self), name, None)):
            raise _not_here(self, name)
        return cast("Chart", method(self, **settings))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"there is no chart {name!r} of this result. Charts: {', '.join(_kinds(self))}.", name=name, obj=self
        )


def _kinds(plots: object) -> list[str]:
    return [name for name, value in vars(type(plots)).items() if callable(value) and not name.startswith("_")]


def _kind_named(kind: str) -> str:
    return cast("str", _above("kind_named")(kind))


def _not_here(plots: object, kind: str) -> OptionError:
    return OptionError(
        f"the chart {kind} is not one of this result.",
        hint=f"Charts here: {', '.join(_kinds(plots))}. Others: nncost.plot(source, {kind!r}).",
    )


@record(eq=False)
class ReportPlots(_Plots):
    """Charts of a report; each is saved by ``chart.save("x.svg")``, and displays itself in a notebook."""

    report: object

    def __call__(self, kind: str = "layers", **settings: Any) -> Chart:
        """Return the chart of a kind: ``report.plot("tree", depth=2)`` is ``report.plot.tree(depth=2)``."""
        return self._of(kind, settings)

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

    def roofline(self, on: str | None = None, *, top: int | None = None) -> Chart:
        """Return the layers as points under the roofline of a device of the catalogue, such as ``"h100"``.

        Text lists the ``top`` that take longest. Raise OptionError without a device.
        """
        return _chart("roofline", self.report, on=on, top=top)

    def growth(self, quantity: str | Sequence[str] = "flops", *, over: str | None = None) -> Chart:
        """Return how quantities grow with the symbol of the report, ``over`` its sizes, as ``"h=16..4096"``."""
        return _chart("growth", self.report, quantity=quantity, over=over)

    def network(self) -> Chart:
        """Return the network as textbooks draw it."""
        return _chart("network", self.report)


@record(eq=False)
class PredictionPlots(_Plots):
    """Charts of a prediction; each is saved by ``chart.save("x.svg")``, and displays itself in a notebook."""

    prediction: object

    def __call__(self, kind: str = "time", **settings: Any) -> Chart:
        """Return the chart of a kind, of which a prediction has one: ``prediction.plot(by="phase")``."""
        return self._of(kind, settings)

    def time(self, by: str = "layer", *, top: int | None = None) -> Chart:
        """Return the seconds ``by`` layer, phase or op, in parts by their causes; of many the ``top`` longest."""
        return _chart("time", self.prediction, by=by, top=top)
