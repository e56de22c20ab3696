"""What a prediction says: seconds with an interval, by phase, layer and cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, cast

from nncost.plots import PredictionPlots
from nncost.records import field, record
from nncost.report_data import plain
from nncost.shown import Shown, document_of
from nncost.units import one_line, seconds_text

if TYPE_CHECKING:
    from nncost.documents.document import Document
    from nncost.timing.measure.noise import Noise

SCHEMA = "nncost.prediction/1"
TIMED_PHASES = ("forward", "backward", "update")
"""The phases that take time of their own; the loss is in the forward one."""
CAUSES = ("arithmetic", "memory", "overhead", "page_faults")
"""What time goes into: operations, memory traffic, the framework's work around them, first touches of memory."""
Label = Literal["rehearsed", "sampled", "calibrated", "estimated"]
"""Whole steps ran, steps of some blocks ran, times of this machine were added up, or a device was described by its peaks."""


Amounts = Mapping[str, Mapping[str, float]]
"""By kind (``operations``, ``seconds``, ``memory``), then by name (``step``, ``run``, ``step_peak``)."""


def ratios(predicted: Amounts, measured: Amounts) -> dict[str, dict[str, float]]:
    """Return predicted ÷ measured of every amount that has both."""
    return {
        kind: {
            name: predicted[kind][name] / amount
            for name, amount in amounts.items()
            if amount and predicted[kind].get(name) is not None
        }
        for kind, amounts in measured.items()
        if kind in predicted
    }


@record
class Seconds:
    """A time and the interval it is expected in."""

    low: float
    value: float
    high: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.low + other.low, self.value + other.value, self.high + other.high)

    def __mul__(self, times: float) -> Seconds:
        return Seconds(self.low * times, self.value * times, self.high * times)

    def to_list(self) -> list[float]:
        """As JSON holds it: low, value, high."""
        return [self.low, self.value, self.high]


@record
class PredictedRow:
    """One layer and operation in one phase; ``causes`` split the value of ``seconds`` in seconds.

    ``bound`` is the cause that limits it. ``flops`` are those of the row, ``peak_share`` the share of the
    device's peak rate at which they run (None where there are none or the peak is not known).
    """

    path: str
    op: str
    phase: str
    seconds: Seconds
    causes: Mapping[str, float]
    bound: str
    flops: int = 0
    peak_share: float | None = None


@record
class PredictedRun:
    """A whole training run."""

    examples: int
    epochs: int
    batch: int
    steps: int


@record
class Prediction(Shown):
    """Seconds of one step on one device: what ``nncost.predict`` returns; ``print`` shows what the command prints.

    ``seconds["step"].value`` is expected, between ``low`` and ``high``. ``seconds`` has forward, backward, update and step, and run where there is one.

    The loss belongs to ``forward`` (its value) and ``backward`` (its gradient). ``mfu`` is the share of the
    device's peak that the step's contractions reach; ``joules`` the energy of one step (None where unknown).
    ``unknown`` lists operations whose time is not in it. ``how`` says in words what was done on this machine,
    ``operators_alone`` what its operators alone say of each phase where steps ran as well, ``noise`` how steady the
    machine was.
    """

    source: str
    device: Mapping[str, Any]
    label: Label
    settings: Mapping[str, Any]
    seconds: Mapping[str, Seconds]
    rows: Sequence[PredictedRow]
    memory: Mapping[str, Any] = field(default_factory=dict)
    run: PredictedRun | None = None
    mfu: float | None = None
    joules: float | None = None
    unknown: Sequence[Mapping[str, str]] = ()
    notes: Sequence[str] = ()
    how: str = ""
    operators_alone: Mapping[str, Seconds] = field(default_factory=dict)
    noise: Noise | None = None

    def __repr__(self) -> str:
        step = seconds_text(self.seconds["step"].value)
        return (
            f"<Prediction of {one_line(self.source)} on {self.device.get('name', 'this')}: {step} a step, {self.label}>"
        )

    @property
    def complete(self) -> bool:
        """Whether the time of every operation is in it."""
        return not self.unknown

    def table(self, *, by: str = "layer", depth: int | None = None) -> Document:
        """Return the prediction as a document, with rows ``by`` layer, op, phase or cause and paths cut to ``depth`` names.

        Raise OptionError for another ``by``.
        """
        return cast("Document", document_of(self, by=by, depth=depth))

    @property
    def plot(self) -> PredictionPlots:
        """Charts of the prediction: ``prediction.plot.time()``."""
        return PredictionPlots(self)

    def to_dict(self) -> dict[str, Any]:
        """Exactly the JSON that ``nncost predict --json`` prints."""
        result: dict[str, Any] = {
            "schema": SCHEMA, "source": self.source, "device": dict(self.device), "label": self.label,
            "settings": {name: plain(value) for name, value in self.settings.items()},
            "seconds": {phase: seconds.to_list() for phase, seconds in self.seconds.items()},
            "complete": self.complete, "unknown": [dict(item) for item in self.unknown],
            "mfu": self.mfu, "joules": self.joules, "memory": dict(self.memory),
            "rows": [asdict(row) | {"seconds": row.seconds.to_list()} for row in self.rows],
        }  # fmt: skip
        if self.run is not None:
            result["run"] = asdict(self.run)
        if self.how:
            result["how"] = self.how
        if self.operators_alone:
            result["operators_alone"] = {phase: each.to_list() for phase, each in self.operators_alone.items()}
        if self.noise is not None:
            result["noise"] = self.noise.to_dict()
        if self.notes:
            result["notes"] = list(self.notes)
        return result
