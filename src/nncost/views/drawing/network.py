"""Which drawing fits a network, with its words and its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nncost.dims import is_symbolic
from nncost.documents.document import Chart
from nncost.names import printable
from nncost.report import ParameterCounts, Report
from nncost.units import counted, noun
from nncost.views import shortened, without_folders
from nncost.views.drawing.blocks import blocks_of
from nncost.views.drawing.chain import Column, columns_of
from nncost.views.drawing.flow import draw_blocks
from nncost.views.drawing.layers import JOIN, OTHER, Layer, layers_of
from nncost.views.drawing.neurons import draw_neurons
from nncost.views.drawing.numbers import number_table, short_table
from nncost.views.drawing.stages import Pictured, pictured
from nncost.views.drawing.svg import Canvas
from nncost.views.drawing.text import amount, channels_of, fitted, listed, shape_of
from nncost.views.drawing.volumes import draw_volumes

_NOTE, _NOTE_WIDTH = 12.0, 900.0
_MOST_TOLD = 8
_VOLUMES = "A convolutional network"


def network_chart(report: Report) -> Chart:
    """Return the network as textbooks draw it, from what the report knows.

    Dense layers are columns of neurons, convolutions volumes of feature maps, anything else blocks by module. Whatever is
    too wide, too deep or repeated is told by its number. Unknown operations are marked, and the description names them.
    """
    layers = layers_of(report)
    canvas = Canvas()
    told = _draw(canvas, report, layers)
    notes = _notes(report)
    if told.startswith(_VOLUMES) and _has_joins(report, layers):
        notes.insert(1, ("Connections around layers are not drawn", False))
    for note, is_warning in notes:
        canvas.below(fitted(note, _NOTE_WIDTH, _NOTE), _NOTE, "alarm" if is_warning else "soft", bold=is_warning)
    title = f"The network {printable(shortened(without_folders(' '.join(report.source.name.split())), 80))}"
    if not report.complete:
        title += f" – INCOMPLETE: {counted(len(report.unknown), 'unknown operation')}"
    description = f"{told} {' '.join(f'{note}.' for note, _ in notes)}"
    numbers = number_table(layers, report.parameters.total)
    return Chart(
        title, description, canvas.document(title, description), numbers, report.complete, short_table(numbers)
    )


def _draw(canvas: Canvas, report: Report, layers: Sequence[Layer]) -> str:
    """Draw the network and return what the picture shows, in a sentence."""
    columns = columns_of(report, layers)
    if columns is not None:
        draw_neurons(canvas, columns)
        return _told_columns(columns)
    picture = pictured(report, layers)
    if picture is not None:
        draw_volumes(canvas, picture)
        return _told_volumes(picture)
    blocks = blocks_of(report, layers)
    draw_blocks(canvas, blocks)
    names = [block.title if block.times == 1 else f"{block.title} ({amount(block.times)} times)" for block in blocks]
    inputs = ", ".join(shape_of(shape) for shape in list(report.source.inputs.values())[:3])
    return f"A network of blocks in the order in which they end, for an input of {inputs}: {_some([printable(n) for n in names])}."


def _told_columns(columns: Sequence[Column]) -> str:
    widths = [amount(c.width) if c.times == 1 else f"{amount(c.times)} times {amount(c.width)}" for c in columns[1:]]
    layers = noun(len(widths), "a layer", "layers")
    return f"A fully connected network: {counted(columns[0].width, 'input')}, then {layers} of {_some(widths)} neurons."


def _told_volumes(picture: Pictured) -> str:
    volumes = ["shape unknown" if v.shape is None else channels_of(v.shape) for v in picture.volumes]
    dense = [amount(column.width) for column in picture.columns if column.path]
    behind = f", then {noun(len(dense), 'a dense layer', 'dense layers')} of {_some(dense)} neurons" if dense else ""
    stages = " by stages, each with its largest number of maps" if picture.are_stages else ""
    return f"{_VOLUMES}{stages}, as channels@size of the maps: {_some(volumes)}{behind}."


def _has_joins(report: Report, layers: Sequence[Layer]) -> bool:
    """Whether some layers read more than the one before them: they add, or put tensors together."""
    if "concat" in report.free or any(layer.family == JOIN for layer in layers):
        return True
    blocks = {layer.path for layer in layers if layer.family == OTHER}
    return any(row.path in blocks and row.counts["add"] != 0 for row in report.rows if row.phase == "forward")


def _notes(report: Report) -> list[tuple[str, bool]]:
    """What stands below the picture: the parameters and, as a warning, what is unknown."""
    p = report.parameters
    total = counted(p.total, "parameter")
    notes = [(total if is_symbolic(p.total) else f"{total} = {_parts(p)}", False)]
    if report.unknown:
        many = len(report.unknown)
        names = ", ".join(listed(Counter(printable(item["op"]) for item in report.unknown))[:_MOST_TOLD])
        notes.append((f"INCOMPLETE: {many:,} unknown {noun(many, 'operation')}: {fitted(names, 500, _NOTE)}", True))
    return notes


def _parts(p: ParameterCounts) -> str:
    parts = [counted(p.weights, "weight"), counted(p.biases, "bias", "biases")]
    return " + ".join([*parts, *([f"{amount(p.other)} other"] if p.other != 0 else [])])


def _some(words: Sequence[str]) -> str:
    """Words with commas, the last after ``and``; of many the first and the last."""
    if len(words) > _MOST_TOLD:
        words = [*words[:5], f"{len(words) - 6:,} more", words[-1]]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "nothing"
