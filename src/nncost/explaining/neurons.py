"""Neurons: the outputs of dense, convolution and recurrent layers for one example."""

from __future__ import annotations

from nncost.dims import Dim, Shape, sum_over, tidy
from nncost.documents.document import Line, Paragraph, Section
from nncost.explaining.accounts import Loops, repetition, walk_layers
from nncost.explaining.context import Context
from nncost.explaining.formulas import multiplied, written
from nncost.explaining.working import gathered
from nncost.ir.graph import Region


def neurons(context: Context) -> Section:
    """Return the neurons of each layer and of the network."""
    lines: list[tuple[Line, Dim]] = []
    for item, loops in walk_layers(context.counted.model.graph.items, ()):
        if isinstance(item, Region) and item.neurons != 0:
            lines.append(_line(item, loops))
    rule = Paragraph(
        "Neurons are the outputs of dense, convolution and recurrent layers for one example. "
        "Input nodes are not neurons: they are given, not computed."
    )
    return Section("Neurons", (rule, gathered(lines)))


def _line(region: Region, loops: Loops) -> tuple[Line, Dim]:
    times, family = repetition(loops)
    total = region.neurons * times
    for loop in reversed(family):
        assert loop.index is not None
        total = sum_over(total, loop.index, loop.start, loop.last)
    numbers = None if times == 1 else multiplied(times, written(region.neurons), loose=False)
    return Line(region.path, None, numbers, written(tidy(total))), total


def input_values(context: Context) -> Shape:
    """Return the shape of one example of the first input, or an empty shape if there is no input."""
    shapes = list(context.report.source.inputs.values())
    return shapes[0][1:] if shapes else ()
