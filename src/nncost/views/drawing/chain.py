"""A fully connected network read as columns of neurons, where a report is of one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from nncost.dims import Dim, product, same
from nncost.records import record, replace
from nncost.report import Report
from nncost.views.drawing.layers import ACTIVATION, DENSE, DROPOUT, MOVE, NORM, Layer, each_of, example

_REPEAT = re.compile(r"(.*\brepeat\.\d+)\.")
_ALSO = (ACTIVATION, NORM, DROPOUT, MOVE)
_SPELLED_OUT = 3


@record
class Column:
    """Neurons side by side: a dense layer, or the inputs, which have no ``path``.

    ``before`` is the width of the column it reads; ``words`` are the operations on the neurons' values. Columns of the
    same ``repeat`` stand there ``times`` times together.
    """

    path: str
    width: Dim
    before: Dim = 0
    weights: Dim = 0
    biases: Dim = 0
    other: Dim = 0
    times: Dim = 1
    repeat: str = ""
    words: tuple[str, ...] = ()


def columns_of(report: Report, layers: Sequence[Layer]) -> list[Column] | None:
    """The columns from the inputs on; None if the report is not of one chain of dense layers."""
    if len(report.source.inputs) != 1 or not any(layer.family == DENSE for layer in layers):
        return None
    name, shape = next(iter(report.source.inputs.items()))
    width = shape[-1] if len(shape) <= 2 and shape else product(example(shape))
    columns = [Column("", width, words=(name,))]
    for layer in layers:
        if layer.family == DENSE:
            column = _column(layer, columns[-1].width)
            if column is None:
                return None
            columns.append(column)
        elif layer.family in _ALSO and layer.output is not None and len(layer.output) <= 2:
            last = columns[-1]
            columns[-1] = replace(last, words=(*last.words, layer.kind), other=last.other + layer.parameters)
        elif layer.family != MOVE:
            return None
    return spelled_out(columns)


def spelled_out(columns: Sequence[Column]) -> list[Column]:
    """Columns that stand there two or three times as columns of their own."""
    found: list[Column] = []
    together = Counter(column.repeat for column in columns)
    for column in columns:
        few = isinstance(column.times, int) and 1 < column.times <= _SPELLED_OUT
        parts = (
            [each_of(part, column.times) for part in (column.weights, column.biases, column.other)] if few else [None]
        )
        if few and together[column.repeat] == 1 and None not in parts:
            weights, biases, other = (part if part is not None else 0 for part in parts)
            one = replace(column, weights=weights, biases=biases, other=other, times=1, repeat="")
            found += [one] * int(str(column.times))
        else:
            found.append(column)
    return found


def _column(layer: Layer, before: Dim) -> Column | None:
    """A dense layer behind so many values; None if it does not join each of them with each of its neurons."""
    if layer.output is None or len(layer.output) > 2 or not layer.output:
        return None
    width = layer.output[-1]
    each = each_of(layer.weights, layer.times)
    if each is not None and not same(each, before * width) and not _is_any(layer):
        return None
    repeat = _REPEAT.match(layer.path) if layer.times != 1 else None
    return Column(
        layer.path, width, before, layer.weights, layer.biases, layer.other, layer.times, repeat[1] if repeat else ""
    )


def _is_any(layer: Layer) -> bool:
    """Whether the layer is one of a family whose members have widths of their own: ``h[k]`` behind ``h[k - 1]``."""
    return layer.output is not None and "[" in str(layer.output[-1]) and layer.times != 1
