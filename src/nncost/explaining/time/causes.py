"""What a step's time goes into: the causes as a whole, and the three largest with their places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from nncost.documents.document import Block, Paragraph
from nncost.layer_paths import ranged
from nncost.records import record
from nncost.timing.prediction import CAUSES, PredictedRow, Prediction
from nncost.units import counted, seconds_text

NAMES = {
    "arithmetic": "arithmetic",
    "memory": "memory traffic",
    "overhead": "the framework's work around it",
    "page_faults": "first touches of memory",
}
_NAMED = 0.005
"""Causes of a smaller part of a step are left out."""
LARGEST = 3
_SENTENCES = {
    "arithmetic": "Arithmetic in {place}",
    "memory": "Memory traffic of {place}",
    "overhead": "The framework's own work around {place}",
    "page_faults": "First touches of new memory in {place}",
}
_AROUND = {"loss": "the loss", "forward": "the forward pass", "backward": "the backward pass", "update": "the update"}
_ORDINALS = ("the largest", "the second", "the third")
_SHORT = 40
"""Characters of a layer's name."""


@record
class Cause:
    """One cause in one place: a kind of layer, or a phase. ``layers`` are the seconds of each layer."""

    cause: str
    place: str
    layers: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Of all its layers."""
        return sum(self.layers.values())


def shares(prediction: Prediction) -> str:
    """Return each cause that matters with its seconds, the longest first."""
    sums = {cause: sum(row.causes.get(cause, 0.0) for row in prediction.rows) for cause in CAUSES}
    total = sum(sums.values()) or 1.0
    order = sorted((cause for cause in sums if sums[cause] >= _NAMED * total), key=lambda cause: -sums[cause])
    return ", ".join(f"{seconds_text(sums[cause])} ({sums[cause] / total:.0%}) {NAMES[cause]}" for cause in order)


def largest_causes(prediction: Prediction) -> list[Cause]:
    """The three causes that take longest, each in its kind of layer or its phase."""
    kinds = _kinds(prediction.rows)
    found: defaultdict[tuple[str, str], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in prediction.rows:
        for cause, seconds in row.causes.items():
            if seconds > 0:
                found[cause, _place(row, cause, kinds)][row.path] += seconds
    causes = [Cause(cause, place, dict(layers)) for (cause, place), layers in found.items()]
    return sorted(causes, key=lambda each: -each.seconds)[:LARGEST]


def _kinds(rows: Sequence[PredictedRow]) -> dict[str, str]:
    """What each layer is: a backward pass's own operations belong to the layer that they differentiate."""
    kinds: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.phase != "forward"):
        kinds.setdefault(row.path, row.op)
    return kinds


def _place(row: PredictedRow, cause: str, kinds: Mapping[str, str]) -> str:
    if cause == "overhead" or row.phase == "update" or not row.path:
        return _AROUND[row.phase]
    return kinds[row.path]


def cause_sentences(prediction: Prediction) -> Iterator[Block]:
    """One sentence for each of them."""
    whole = sum(sum(row.causes.values()) for row in prediction.rows)
    causes = [cause for cause in largest_causes(prediction) if cause.seconds >= _NAMED * whole]
    for ordinal, cause in zip(_ORDINALS, causes, strict=False):
        text = f"{_SENTENCES[cause.cause].format(place=_named(cause))} is {ordinal} cause"
        text += f": {seconds_text(cause.seconds)}, {cause.seconds / whole:.0%} of a step{_mostly(cause)}."
        yield Paragraph(text)


def _named(cause: Cause) -> str:
    if cause.place in _AROUND.values():
        return cause.place
    if len(cause.layers) == 1:
        return f"{next(iter(cause.layers))[:_SHORT]} ({cause.place})"
    return f"the {counted(len(cause.layers), 'layer')} of the kind {cause.place}"


def _mostly(cause: Cause) -> str:
    """The layers that take most of it; nothing for one alone, or where it is no layer's."""
    if cause.cause == "overhead" or len(cause.layers) == 1:
        return ""
    paths, seconds = _alike(cause.layers)[0]
    return "" if len(paths) == len(cause.layers) else f", of which {seconds_text(seconds)} in {ranged(paths)}"


def _alike(layers: Mapping[str, float]) -> list[tuple[list[str], float]]:
    """Layers whose paths differ by numbers only, with their seconds together; those that take longest first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in layers:
        names = [part for part in path.split(".") if not part.isdigit()]
        found[".".join(names) or path].append(path)
    sums = [(paths, sum(layers[path] for path in paths)) for paths in found.values()]
    return sorted(sums, key=lambda pair: -pair[1])


def layer_sentences(layers: Mapping[str, float], step: float) -> Iterator[Block]:
    """The layers that take longest, as measured; without a calibration nothing says what bounds them."""
    parts = [f"{ranged(paths)} {seconds_text(seconds)} ({seconds / step:.0%})" for paths, seconds in _alike(layers)]
    if parts:
        text = f"By layer, measured with PyTorch's profiler, these take longest: {', '.join(parts[:LARGEST])}."
        yield Paragraph(f"{text} What bounds them is told once the machine is calibrated.")
