"""The one serialisable result: plain data, JSON schema ``nncost.report/1``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nncost.counting.conventions import Convention
from nncost.counting.memory.memory import AMOUNTS, Candidate, Memory, TimelineRow
from nncost.counting.quantities import ALL
from nncost.dims import Dim, Shape, add_all, is_symbolic, tidy
from nncost.errors import Instead, QuantityError
from nncost.ir.graph import PHASES
from nncost.names import nearest
from nncost.records import field, record
from nncost.version import __version__

if TYPE_CHECKING:
    from nncost.counting.storage import Storage

SCHEMA = "nncost.report/1"


class Totals(Mapping[str, Dim]):
    """Amounts by quantity, also as attributes (``report.forward.mul``); absent ones are zero."""

    def __init__(self, amounts: Mapping[str, Dim], convention: Convention) -> None:
        self._amounts = {name: amount for name, amount in amounts.items() if amount != 0}
        if convention.weights:
            flops = add_all(weight * self._amounts.get(name, 0) for name, weight in convention.weights.items())
            if flops != 0:
                self._amounts["flops"] = flops

    def __getitem__(self, name: str) -> Dim:
        if name in self._amounts:
            return self._amounts[name]
        if name in ALL or name == "flops":
            return 0
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(name for name in (*ALL, "flops") if name in self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __getattr__(self, name: str) -> Dim:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no quantity {name!r}; there are {', '.join((*ALL, 'flops'))}") from None


@record
class ParameterCounts:
    """Elements by role. ``total`` leaves buffers out; ``bytes`` are those of ``total``.

    ``active`` are those that one token uses: fewer than ``total`` where a router chooses among experts.
    """

    total: Dim
    trainable: Dim
    weights: Dim
    biases: Dim
    other: Dim
    buffers: Dim
    bytes: Dim
    active: Dim


@record
class ReportRow:
    """One layer and operation in one phase.

    ``times`` is how often a repeated layer stands there; ``inside`` holds the counts of the
    operations within, where there is more than one.
    """

    path: str
    op: str
    phase: str
    counts: Mapping[str, Dim]
    weights: Dim = 0
    biases: Dim = 0
    other: Dim = 0
    times: Dim = 1
    inside: Mapping[str, Mapping[str, Dim]] = field(default_factory=dict)

    @property
    def parameters(self) -> Dim:
        """Weights, biases and others of the layer."""
        return self.weights + self.biases + self.other


@record
class Run:
    """A whole training run: its steps and the same totals as one step."""

    examples: Dim
    epochs: int
    batch: Dim
    steps: Dim
    totals: Mapping[str, Totals]
    assumes: str = ""


@record
class Source:
    """What was counted."""

    kind: str
    name: str
    inputs: Mapping[str, Shape]


@record
class Report:
    """All counts of one source under one setting."""

    source: Source
    settings: Mapping[str, Any]
    parameters: ParameterCounts
    neurons: Dim
    totals: Mapping[str, Totals]
    rows: Sequence[ReportRow]
    unknown: Sequence[Mapping[str, str]] = ()
    free: Mapping[str, int] = field(default_factory=dict)
    estimated: Sequence[str] = ()
    notes: Sequence[str] = ()
    run: Run | None = None
    storage: Storage | None = None
    memory: Memory = field(kw_only=True)

    def __repr__(self) -> str:
        kind = "" if self.complete else ", incomplete"
        return f"<Report of {self.source.name[:60]}: {self.parameters.total} parameters, {self.step.flops} flops a step{kind}>"

    @property
    def complete(self) -> bool:
        """Whether every operation was counted or is free by rule."""
        return not self.unknown

    @property
    def forward(self) -> Totals:
        """The forward pass."""
        return self.totals["forward"]

    @property
    def loss(self) -> Totals:
        """The loss's value and its gradient at the output."""
        return self.totals["loss"]

    @property
    def backward(self) -> Totals:
        """Everything behind the loss's gradient."""
        return self.totals["backward"]

    @property
    def update(self) -> Totals:
        """The optimizer's update."""
        return self.totals["update"]

    @property
    def step(self) -> Totals:
        """Forward, loss, backward and update together."""
        return self.totals["step"]

    def quantity(self, path: str) -> Dim:
        """A quantity by its path in the JSON: ``parameters.total``, ``forward.macs``, ``run.step.flops``.

        Raise QuantityError with the accepted paths.
        """
        head, _, rest = path.partition(".")
        if path == "neurons":
            return self.neurons
        if head in ("parameters", "params"):
            name = rest or "total"
            if name in ParameterCounts.__match_args__:
                return getattr(self.parameters, name)
        if head == "memory" and rest in AMOUNTS:
            return self._memory(rest)
        totals = self.totals
        if head == "run" and self.run is not None:
            totals = self.run.totals
            head, _, rest = rest.partition(".")
        if head == "totals":
            head, _, rest = rest.partition(".")
        if head in totals and (rest in ALL or rest == "flops"):
            return totals[head][rest]
        close = nearest(path, quantity_paths(), _ALSO)
        hint = quantity_hint() if close is None else f"Did you mean {close!r}? {quantity_hint()}"
        instead = None if close is None else Instead(path, close)
        raise QuantityError(f"unknown quantity {path[:60]!r}", hint=hint, instead=instead)

    def _memory(self, name: str) -> Dim:
        amount = getattr(self.memory, name)
        if amount is None:
            reason = self.memory.notes[0] if self.memory.notes else "It needs --allocator cuda."
            raise QuantityError(f"memory.{name} is not known for this source", hint=reason)
        return amount

    def to_dict(self) -> dict[str, Any]:
        """Exactly the JSON that ``nncost count --json`` prints."""
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "nncost": __version__,
            "source": {
                "kind": self.source.kind,
                "name": self.source.name,
                "inputs": {name: [plain(dim) for dim in shape] for name, shape in self.source.inputs.items()},
            },
            "settings": {name: plain(value) for name, value in self.settings.items()},
            "complete": self.complete,
            "unknown": [dict(item) for item in self.unknown],
            "parameters": _parameters(self.parameters),
            "neurons": plain(self.neurons),
            "totals": _totals(self.totals),
            "memory": _memory(self.memory),
            "rows": [_row(row) for row in self.rows],
        }
        if self.estimated:
            result["estimated"] = list(self.estimated)
        if self.notes:
            result["notes"] = list(self.notes)
        result["free"] = dict(self.free)
        if self.storage is not None:
            result["storage"] = _storage(self.storage)
        if self.run is not None:
            result["run"] = _run(self.run)
        return result


def quantity_paths() -> list[str]:
    """The paths of the quantities of one step."""
    paths = [f"parameters.{name}" for name in ParameterCounts.__match_args__]
    return [*paths, "neurons", *(f"{phase}.{name}" for phase in (*PHASES, "step") for name in (*ALL, "flops"))]


_ALSO = {
    "weights": "parameters.weights", "biases": "parameters.biases", "size": "parameters.bytes", "gradients": "backward.derivatives",
    **{f"{phase}.{also}": f"{phase}.{name}"
       for phase in (*PHASES, "step") for also, name in (("multiplications", "mul"), ("additions", "add"), ("divisions", "div"))},
}  # fmt: skip
"""What else people ask for; only for suggestions."""


def quantity_hint() -> str:
    """One sentence with the paths of quantities."""
    return (
        f"Quantities: parameters.{{{','.join(ParameterCounts.__match_args__)}}}, neurons, "
        f"{{{','.join((*PHASES, 'step'))}}}.{{{','.join((*ALL, 'flops'))}}}, memory.{{{','.join(AMOUNTS)}}}."
    )


def plain(value: Any) -> Any:
    """A size as JSON holds it: an integer of any size, or a formula as text."""
    if hasattr(value, "free_symbols") or (is_symbolic(value) and hasattr(value, "is_Integer")):
        return str(tidy(value))
    return value


def _parameters(counts: ParameterCounts) -> dict[str, Any]:
    amounts: dict[str, Any] = {name: plain(getattr(counts, name)) for name in ParameterCounts.__match_args__}
    if counts.active == counts.total:
        del amounts["active"]
    return amounts


def _totals(totals: Mapping[str, Totals]) -> dict[str, dict[str, Any]]:
    return {phase: {name: plain(amount) for name, amount in counts.items()} for phase, counts in totals.items()}


def _memory(memory: Memory) -> dict[str, Any]:
    """Every quantity (null where it is not known), where the peak is, the timeline, and what there is to say."""
    result: dict[str, Any] = {name: plain(getattr(memory, name)) for name in AMOUNTS if name != "reserved_peak"}
    result |= {"step_peak_at": memory.step_peak_at, "step_peak_phase": memory.step_peak_phase}
    result |= {"allocator": memory.allocator, "exact": memory.exact, "notes": list(memory.notes)}
    if memory.reserved_peak is not None:
        result["reserved_peak"] = memory.reserved_peak
    if memory.candidates:
        result["candidates"] = [_known(candidate) for candidate in memory.candidates]
    if memory.fits is not None:
        fit = memory.fits
        result["fits"] = {"bytes": fit.bytes, "batch": fit.batch, "step_peak": fit.peak}
    result["timeline"] = [_known(row) for row in memory.timeline]
    return result


def _known(item: Candidate | TimelineRow) -> dict[str, Any]:
    """Fields that are known, by name."""
    fields = ((name, getattr(item, name)) for name in item.__match_args__)
    return {name: plain(value) for name, value in fields if value is not None}


def _row(row: ReportRow) -> dict[str, Any]:
    result: dict[str, Any] = {"path": row.path, "op": row.op, "phase": row.phase}
    if row.times != 1:
        result["times"] = plain(row.times)
    if row.parameters != 0:
        result["parameters"] = plain(row.parameters)
        result |= {
            name: plain(amount)
            for name, amount in (("weights", row.weights), ("biases", row.biases), ("other", row.other))
            if amount != 0
        }
    result["counts"] = {name: plain(amount) for name, amount in row.counts.items()}
    if row.inside:
        result["inside"] = {
            op: {name: plain(amount) for name, amount in counts.items()} for op, counts in row.inside.items()
        }
    return result


def _run(run: Run) -> dict[str, Any]:
    result = {
        "examples": plain(run.examples), "epochs": run.epochs, "batch": plain(run.batch), "steps": plain(run.steps),
        "totals": _totals(run.totals),
    }  # fmt: skip
    return result | ({"assumes": run.assumes} if run.assumes else {})


def _storage(storage: Storage) -> dict[str, Any]:
    bits = storage.bits_per_weight
    result: dict[str, Any] = {"bytes": storage.bytes}
    if bits is not None:
        result |= {"bits_per_weight": float(bits), "formula": storage.formula}
    result["dtypes"] = {
        dtype: {"tensors": t.tensors, "parameters": t.parameters, "bytes": t.bytes}
        | ({"buffers": t.buffers} if t.buffers else {})
        for dtype, t in storage.dtypes.items()
    }
    result["tensors"] = [
        {
            "name": t.name, "dtype": t.dtype, "shape": [plain(dim) for dim in t.shape], "role": t.role,
            "elements": plain(t.elements), "bytes": t.bytes,
        }
        for t in storage.tensors
    ]  # fmt: skip
    return result
