"""Which drawing fits a network, and its words and numbers."""

from __future__ import annotations

from nncost.documents.document import Chart
from nncost.report import Report
from nncost.units import counted
from nncost.views import shortened
from nncost.views.drawing.chain import columns_of
from nncost.views.drawing.layers import layers_of
from nncost.views.drawing.neurons import draw_neurons
from nncost.views.drawing.stages import pictured
from nncost.views.drawing.volumes import draw_volumes
from nncost.views.drawing.svg import Canvas
from nncost.views.drawing.blocks import blocks_of, draw_blocks


def network_chart(report: Report) -> Chart:
    layers = layers_of(report)
    canvas = Canvas()
    columns = columns_of(report, layers)
    if columns:
        draw_neurons(canvas, columns)
    else:
        p = pictured(report, layers)
        if p: draw_volumes(canvas, p)
        else: draw_blocks(canvas, blocks_of(report, layers))
    return canvas.document("t", "d")
