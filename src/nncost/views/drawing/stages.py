"""A convolutional network read as volumes of feature maps, and the dense layers behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nncost.dims import Dim, Shape, is_symbolic, product, same
from nncost.records import replace
from nncost.report import Report
from nncost.views.drawing.chain import Column
from nncost.views.drawing.layers import (
    ATTENTION,
    CONV,
    DENSE,
    EMBEDDING,
    MOVE,
    POOL,
    RECURRENT,
    UNKNOWN,
    Layer,
    example,
)

_MOST_ALONE, _MOST_BOXES = 10, 3
_FEWEST_CONVOLUTIONS = 8
"""One layer in so many at least must be a convolution."""
INPUT = "input"


@dataclass(slots=True)
class Volume:
    """Feature maps, and the layers that made them: one, or all of a stage, whose maps have one size.

    ``shape`` is that of one example, or None; ``drawn`` says how many boxes stand for the layers.
    """

    family: str
    shape: Shape | None
    paths: list[str] = field(default_factory=list)
    words: dict[str, Dim] = field(default_factory=dict)
    parameters: list[Dim] = field(default_factory=list)
    times: Dim = 1
    drawn: int = 1

    @property
    def path(self) -> str:
        """The layer's path, or those of the first and the last."""
        return " … ".join(dict.fromkeys((self.paths[0], self.paths[-1]))) if self.paths else ""

    @property
    def space(self) -> Shape | None:
        """The size of one map."""
        return None if self.shape is None else self.shape[1:]

    @property
    def is_point(self) -> bool:
        """Whether each map is a single number, as behind a global pooling."""
        return self.space is not None and all(size == 1 for size in self.space)


@dataclass(slots=True)
class Pictured:
    """What is drawn: volumes and, behind them, columns of neurons; ``are_stages`` if volumes stand for several layers."""

    volumes: list[Volume]
    columns: list[Column]
    are_stages: bool = False


def pictured(report: Report, layers: Sequence[Layer]) -> Pictured | None:
    """The volumes and columns of a report; None if it is not of a convolutional network."""
    if len(report.source.inputs) != 1 or not _is_convolutional(layers):
        return None
    last = max(i for i, layer in enumerate(layers) if layer.family == CONV)
    name, shape = next(iter(report.source.inputs.items()))
    volumes = [Volume(INPUT, example(shape), words={name: 1})]
    columns: list[Column] = []
    for i, layer in enumerate(layers):
        if layer.family == DENSE and i > last and layer.output:
            columns.append(_column(layer, columns[-1].width if columns else 0))
        elif columns and layer.family == UNKNOWN:
            return None  # It has a block of its own, where it is seen.
        elif columns:
            _fold_into_column(columns, layer)
        else:
            _fold(volumes, layer)
    _join(volumes[-1], columns)
    if len(volumes) + len(columns) <= _MOST_ALONE + 2 and all(volume.times == 1 for volume in volumes):
        return Pictured(volumes, columns)
    stages = _stages(volumes)
    _widen(stages, report.outputs)
    return Pictured(stages, columns, are_stages=True)


def _is_convolutional(layers: Sequence[Layer]) -> bool:
    convolutions = [layer for layer in layers if layer.family == CONV]
    ranks = {len(layer.output) for layer in convolutions if layer.output is not None}
    if len(ranks) != 1 or not ranks <= {3, 4, 5} or len(convolutions) * _FEWEST_CONVOLUTIONS < len(layers):
        return False
    return not any(layer.family in (ATTENTION, RECURRENT, EMBEDDING) for layer in layers)


def _fold(volumes: list[Volume], layer: Layer) -> None:
    """Add a layer: a volume of its own, or a word to the one before."""
    shape = None if layer.output is None else example(layer.output)
    last = volumes[-1]
    is_volume = layer.family in (CONV, POOL, UNKNOWN) or (
        layer.family == MOVE and shape is not None and shape != last.shape
    )
    if is_volume or last.family == INPUT:
        volumes.append(
            Volume(layer.family, shape, [layer.path], {layer.kind: layer.times}, [layer.parameters], layer.times)
        )
        return
    last.words[layer.kind] = last.words.get(layer.kind, 0) + layer.times
    last.parameters.append(layer.parameters)


def _column(layer: Layer, before: Dim) -> Column:
    assert layer.output is not None
    return Column(
        layer.path, layer.output[-1], before, layer.weights, layer.biases, layer.other, layer.times, words=(layer.kind,)
    )


def _fold_into_column(columns: list[Column], layer: Layer) -> None:
    last = columns[-1]
    columns[-1] = replace(last, words=(*last.words, layer.kind), other=last.other + layer.parameters)


def _join(last: Volume, columns: list[Column]) -> None:
    """Put the values of the last volume, in a row, before the dense layers that read them."""
    if columns and last.shape is not None and not last.is_point:
        width, first = product(last.shape), columns[0]
        if same(width * first.width, first.weights):
            columns.insert(0, Column("", width, words=("flattened",)))


# ------------------------------------------------------------------- stages
def _stages(volumes: Sequence[Volume]) -> list[Volume]:
    """Volumes with maps of one size together; what is pooled to points and comes back belongs to them."""
    stages = [volumes[0]]
    last_map = max((i for i, volume in enumerate(volumes) if not volume.is_point), default=0)
    for i, volume in enumerate(volumes[1:], 1):
        last = stages[-1]
        returns = volume.is_point and i < last_map
        if last.family != INPUT and (returns or volume.space == last.space or volume.shape is None):
            _take(last, volume)
        else:
            stages.append(volume)
    return stages


def _take(stage: Volume, volume: Volume) -> None:
    """Add a volume to its stage."""
    for kind, times in volume.words.items():
        stage.words[kind] = stage.words.get(kind, 0) + times
    stage.parameters += volume.parameters
    stage.drawn = min(_MOST_BOXES, stage.drawn + 1)
    stage.paths.append(volume.path)
    families = (volume.family, stage.family)
    stage.family = next((family for family in (UNKNOWN, CONV) if family in families), stage.family)
    if volume.shape is not None and (stage.shape is None or volume.space == stage.space):
        stage.shape = volume.shape


def _widen(stages: Sequence[Volume], outputs: Mapping[str, Shape]) -> None:
    """Give each stage the shape with the most maps of its size that it has anywhere."""
    order = {path: i for i, path in enumerate(outputs)}
    shapes = list(outputs.values())
    starts = [order.get(stage.paths[0], 0) if stage.paths else 0 for stage in stages]
    for stage, start, end in zip(stages, starts, [*starts[1:], len(shapes)], strict=True):
        for shape in map(example, shapes[start:end]):
            now = stage.shape
            if (
                now is not None
                and not stage.is_point
                and shape[1:] == now[1:]
                and shape
                and not any(map(is_symbolic, (shape[0], now[0])))
            ):
                stage.shape = shape if shape[0] > now[0] else now
