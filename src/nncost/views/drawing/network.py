"""Which drawing fits a network, and its words and numbers."""

from __future__ import annotations

from nncost.documents.document import Chart
from nncost.report import Report
from nncost.units import counted
from nncost.views import shortened
from nncost.views.drawing.chain import columns_of
from nncost.views.drawing.layers import layers_of
from nncost.views.drawing.neurons import draw_neurons
from nncost.views.drawing.svg import Canvas


def network_chart(report: Report) -> Chart:
    layers = layers_of(report)
    canvas = Canvas()
    columns = columns_of(report, layers)
    draw_neurons(canvas, columns)
    return canvas.document("t", "d")
