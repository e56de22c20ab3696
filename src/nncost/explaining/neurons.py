"""Neurons: the outputs of dense, convolution and recurrent layers for one example."""

from __future__ import annotations

from nncost.dims import Dim, Shape, add_all, same
from nncost.documents.document import Block, Line, Paragraph
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.context import Context
from nncost.explaining.executed import Executed, summed_over
from nncost.explaining.topics import Topic
from nncost.explaining.working import gathered
from nncost.ir.graph import Region
from nncost.notation.written import multiplied, tidied, written


def neurons(context: Context, topic: Topic) -> list[Block]:
    """Return the neurons of each layer and of the network."""
    model = context.counted.model
    whole = model.batch if model.batch_neurons else 1
    forward = (work for work in context.accounts.executed if work.place[2] == "forward" and work.is_layer)
    lines = [
        _line(work, work.item, whole) for work in forward if isinstance(work.item, Region) and _neurons(work.item) != 0
    ]
    if model.recurrent_neurons != 0:
        lines.append((Line("recurrent layers", None, None, tidied(model.recurrent_neurons)), model.recurrent_neurons))
    rule = Paragraph(
        "Neurons are the outputs of dense, convolution and recurrent layers for one example. "
        "Input nodes are not neurons: they are given, not computed."
    )
    each = add_all(amount for _, amount in lines)
    if not same(each, context.report.neurons):  # a batch that is not the first axis of every layer
        total = context.report.neurons
        return [rule, gathered([(Line("all layers", None, None, tidied(total)), total)])]
    return [rule, gathered(lines)]


def _line(work: Executed, region: Region, whole: Dim) -> tuple[Line, Dim]:
    """The neurons of one layer; without those of further examples where the layer has a ``whole`` batch of them."""
    inside = _neurons(region)
    divided = whole_quotient(inside, whole)
    inside = inside if divided is None else divided
    total = summed_over(inside * work.times, work.family)
    numbers = None if work.times == 1 else multiplied(work.times, written(inside), loose=False)
    return Line(work.place[0], None, numbers, tidied(total)), total


def _neurons(region: Region) -> Dim:
    """Those of the region itself and of the regions inside."""
    return region.neurons + add_all(_neurons(item) for item in region.items if isinstance(item, Region))


def input_values(context: Context) -> Shape:
    """Return the shape of one example of the first input, or an empty shape if there is no input."""
    shapes = list(context.report.source.inputs.values())
    return shapes[0][1:] if shapes else ()
