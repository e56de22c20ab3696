"""The one serialisable result: plain data, JSON schema ``nncost.report/1``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from nncost.counting.conventions import Convention
from nncost.counting.memory.memory import AMOUNTS, Memory
from nncost.counting.products import Product
from nncost.counting.quantities import ALL
from nncost.dims import Dim, Shape, add_all
from nncost.errors import Instead, QuantityError
from nncost.ir.graph import PHASES
from nncost.names import nearest
from nncost.plots import ReportPlots
from nncost.records import field, record
from nncost.report_data import report_data
from nncost.shown import Shown, document_of
from nncost.units import counted, one_line

if TYPE_CHECKING:
    from nncost.counting.storage import Storage
    from nncost.documents.document import Document

_NOTHING: Mapping[str, Dim] = {}


class Amounts(Mapping[str, Dim]):
    """Amounts by quantity, also as attributes (``counts.mul``); those that are not in it are zero.

    It holds, and lists, what is not zero: ``"exp" in counts`` is False where ``counts["exp"]`` is 0.
    """

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Mapping[str, Dim] = _NOTHING) -> None:
        self._amounts = {name: amount for name, amount in amounts.items() if amount != 0}

    def __getitem__(self, name: str) -> Dim:
        if name in self._amounts:
            return self._amounts[name]
        if name in ALL or name == "flops":
            return 0
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._amounts

    def __iter__(self) -> Iterator[str]:
        return iter(name for name in (*ALL, "flops") if name in self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __getattr__(self, name: str) -> Dim:
        if name in ALL or name == "flops":
            return self[name]
        raise AttributeError(f"no quantity {name!r}; there are {', '.join((*ALL, 'flops'))}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)})"


class Totals(Amounts):
    """The amounts of a phase or a step, with its flops by the convention (``report.forward.flops``)."""

    __slots__ = ()

    def __init__(self, amounts: Mapping[str, Dim], convention: Convention) -> None:
        super().__init__(amounts)
        if convention.weights:
            flops = add_all(weight * self[name] for name, weight in convention.weights.items())
            if flops != 0:
                self._amounts["flops"] = flops


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
class ParameterType:
    """The parameters of one type of number and the bytes that they take; buffers are left out."""

    dtype: str
    parameters: Dim
    bytes: Dim


@record
class ReportRow:
    """One layer and operation in one phase; ``counts`` answer 0 for a quantity that there is none of.

    ``output`` is the shape of what the layer returns, the batch included: in the forward phase, where it is known.
    ``times`` is how often a repeated layer stands there; ``inside`` holds the counts of the operations within, where
    there is more than one. ``products`` are the matrix products by operation within, and how often each runs, where all
    sizes are numbers; one whose sizes change as it is repeated is not among them.
    """

    path: str
    op: str
    phase: str
    counts: Amounts
    weights: Dim = 0
    biases: Dim = 0
    other: Dim = 0
    times: Dim = 1
    inside: Mapping[str, Amounts] = field(default_factory=dict)
    output: Shape | None = None
    products: Mapping[str, Mapping[Product, int]] = field(default_factory=dict)

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
class Report(Shown):
    """All counts of one source under one setting: what ``nncost.count`` returns.

    ``report.parameters.total``, ``report.forward.mul``, ``report.step.flops``, ``report.memory.step_peak`` are exact
    amounts: whole numbers of any size, or formulas (SymPy) where sizes are symbols. ``rows`` are the layers, ``outputs``
    the shapes of what they return, in the order in which they end, ``parameter_types`` the parameters by the type of their
    numbers. ``print(report)`` shows what ``nncost count`` prints.
    """

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
    outputs: Mapping[str, Shape] = field(default_factory=dict)
    parameter_types: Sequence[ParameterType] = ()
    memory: Memory = field(kw_only=True)

    def __repr__(self) -> str:
        kind = "" if self.complete else ", incomplete"
        amounts = f"{counted(self.parameters.total, 'parameter')}, {counted(self.step.flops, 'flop')} a step"
        return f"<Report of {one_line(self.source.name)}: {amounts}{kind}>"

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

    def table(
        self, *, by: str = "layer", depth: int | None = None, expand: bool = False, shapes: bool = True
    ) -> Document:
        """Return the report as a document, which prints as ``nncost count`` shows it.

        ``by`` groups its rows: ``"layer"``, ``"op"``, ``"phase"`` or ``"memory"`` (the timeline); of a checkpoint
        ``"layer"``, ``"dtype"`` or ``"tensor"``. ``depth`` cuts the layers' paths to so many names, ``expand`` opens equal
        layers and shows the operations inside each; without ``shapes`` there are no output shapes.
        ``report.table().render("markdown")`` is the same as Markdown, ``"latex"`` as LaTeX.

        Raise OptionError for another ``by``.
        """
        return cast("Document", document_of(self, by=by, depth=depth, expand=expand, shapes=shapes))

    @property
    def plot(self) -> ReportPlots:
        """Charts of the report: ``report.plot.layers()``, ``tree()``, ``memory()``, ``roofline(on="h100")``."""
        return ReportPlots(self)

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with a row per layer, operation and phase: what ``nncost count --csv`` prints.

        Its columns: ``path``, ``op``, ``phase``, ``output`` (such as ``"1x16"``), ``times``, ``parameters``,
        ``weights``, ``biases``, ``other``, and each quantity that some row has. Amounts are whole numbers; those that do
        not fit into 64 bits, and formulas, are Python objects.

        Raise MissingExtraError without pandas.
        """
        from nncost.report_frames import pandas_frame

        return pandas_frame(self)

    def to_polars(self) -> Any:
        """Return the same rows as a ``polars.DataFrame``.

        A column that holds an amount beyond 64 bits, or a formula, is a column of text with every digit.

        Raise MissingExtraError without Polars.
        """
        from nncost.report_frames import polars_frame

        return polars_frame(self)

    def to_arrow(self) -> Any:
        """Return the same rows as a ``pyarrow.Table``, with columns as those of :meth:`to_polars`.

        Raise MissingExtraError without pyarrow.
        """
        from nncost.report_frames import arrow_table

        return arrow_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data: exactly the JSON that ``nncost count --json`` prints (docs/report.md)."""
        return report_data(self)


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
