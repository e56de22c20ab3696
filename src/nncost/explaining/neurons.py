"""Neurons: the outputs of dense, convolution and recurrent layers for one example."""

from __future__ import annotations

from nncost.dims import Dim, Shape, add_all
from nncost.documents.document import Block, Line, Paragraph
from nncost.explaining.accounts import Loops, repetition, summed_over, walk_layers
from nncost.explaining.context import Context
from nncost.explaining.formulas import multiplied, tidied, written
from nncost.explaining.topics import Topic
from nncost.explaining.working import gathered
from nncost.ir.graph import Region


def neurons(context: Context, topic: Topic) -> list[Block]:
    """Return the neurons of each layer and of the network."""
    lines: list[tuple[Line, Dim]] = []
    for item, loops in walk_layers(context.counted.model.graph.items, ()):
        if isinstance(item, Region) and _neurons(item) != 0:
            lines.append(_line(item, loops))
    rule = Paragraph(
        "Neurons are the outputs of dense, convolution and recurrent layers for one example. "
        "Input nodes are not neurons: they are given, not computed."
    )
    return [rule, gathered(lines)]


def _line(region: Region, loops: Loops) -> tuple[Line, Dim]:
    times, family = repetition(loops)
    inside = _neurons(region)
    total = summed_over(inside * times, family)
    numbers = None if times == 1 else multiplied(times, written(inside), loose=False)
    return Line(region.path, None, numbers, tidied(total)), total


def _neurons(region: Region) -> Dim:
    """Those of the region itself and of the regions inside."""
    return region.neurons + add_all(_neurons(item) for item in region.items if isinstance(item, Region))


def input_values(context: Context) -> Shape:
    """Return the shape of one example of the first input, or an empty shape if there is no input."""
    shapes = list(context.report.source.inputs.values())
    return shapes[0][1:] if shapes else ()
