"""From a source to a report: load, differentiate, count, assemble."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from nncost.counting.conventions import Convention, convention_named
from nncost.counting.ledger import ESTIMATED, Ledger, Plans, Row, count_graph
from nncost.counting.memory.step import EXACT, memory_of
from nncost.dims import Dim, add_all, exact_divide, is_symbolic
from nncost.errors import OptionError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Model, Training, matches
from nncost.ir.graph import PHASES, Graph, Parameter, Region
from nncost.ir.training.losses import LOSSES, NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.ir.training.step import StepGraph, accumulation_graph, training_step
from nncost.pipeline.choices import INFERENCE, TRAIN, check_choice
from nncost.pipeline.report_builder import FLOPS, layers_of, parameter_counts, report_rows, totals_of
from nncost.report import Report, Run, Source

if TYPE_CHECKING:
    from nncost.counting.storage import Storage


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a count that is not the source; see ``nncost.count``."""

    loss: Any = None
    optimizer: Any = None
    backward: str = "auto"
    mode: str | None = None
    examples: Dim | None = None
    epochs: int = 1
    accumulate: int = 1
    freeze: Sequence[str] = ()
    taps: str = "dense"
    convention: str = "nncost"
    allocator: str = EXACT
    load: LoadOptions = field(default_factory=LoadOptions)


@dataclass(frozen=True, slots=True)
class Counted:
    """A model at one batch size with its training step, the ledgers of its parts and the kernels of its graph."""

    model: Model
    step: StepGraph
    ledger: Ledger
    accumulation: Ledger
    loss: str
    optimizer: str
    convention: Convention
    plans: Plans

    @property
    def gradients(self) -> Iterable[Parameter]:
        """The parameters that receive a gradient."""
        return self.step.gradients


def report_on(source: Any, settings: Settings) -> Report:
    """Count a source under the settings. Raises an NncostError for anything that does not fit."""
    with no_collection():
        return _report_on(source, settings)


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: one walk over a framework's objects takes longer than a whole count."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _report_on(source: Any, settings: Settings) -> Report:
    _check(settings)
    counted = count_source(source, settings)
    convention = counted.convention
    k = settings.accumulate
    ledger = _added(_times(counted.ledger, k, ("forward", "loss", "backward")), _times(counted.accumulation, k - 1))
    rows = [*ledger.rows, *_derivatives(counted)]
    model = counted.model
    storage = _storage(model.graph.parameters)
    return Report(
        source=Source(model.kind, model.name, model.inputs),
        settings=_settings(settings, counted) | ({} if storage is None else {"dtype": storage.dtype}),
        parameters=parameter_counts(model.graph.parameters, model.active_parameters),
        neurons=ledger.neurons,
        totals=totals_of(rows, convention),
        rows=report_rows([row for row in rows if row.quantity != FLOPS], counted.model),
        unknown=[{"path": u.path, "op": u.op, "phase": u.phase} for u in ledger.unknown],
        free=ledger.free,
        estimated=sorted({f"{row.path}: {row.op} ({row.quantity})" for row in rows if row.note == ESTIMATED}),
        notes=(*model.notes, *_convention_notes(counted)),
        storage=storage,
        run=None if settings.examples is None else _run(source, settings, counted, convention),
        memory=memory_of(
            model, counted.step, counted.plans, accumulate=k, complete=counted.ledger.complete,
            allocator=settings.allocator,
        ),
    )  # fmt: skip


def count_source(source: Any, settings: Settings) -> Counted:
    """The ledgers of one micro-batch and of adding its gradients to earlier ones."""
    options = load_options(source, settings)
    model = registry.load(source, options)
    model = replace(model, graph=_frozen(model.graph, settings.freeze))
    valid = settings.taps == "valid"
    named, plans = convention_named(settings.convention), Plans()
    if model.trace is not None:
        loss, optimizer = model.default_loss, model.default_optimizer
        step = StepGraph(model.graph, None, {parameter: parameter.tensor for parameter in model.trained})
        from nncost.counting.traced import count_trace

        ledger = _per_example(count_trace(model.trace, valid_taps=valid), model.batch)
        ledger = replace(ledger, neurons=ledger.neurons + model.neurons_apart)
    else:
        _check_names(settings)
        loss, optimizer = _training_of(model, settings)
        step = training_step(model.graph, loss=loss, optimizer=optimizer, accumulate=settings.accumulate)
        ledger = count_graph(step.graph, valid_taps=valid, plans=plans)
    additions = accumulation_graph(list(step.gradients.items()) if settings.accumulate > 1 else [])
    flops, convention = _flops(named, source, options, model, loss)
    ledger = replace(ledger, rows=(*ledger.rows, *flops))
    return Counted(model, step, ledger, count_graph(additions), loss, optimizer, convention, plans)


def load_options(source: Any, settings: Settings) -> LoadOptions:
    """How a source is read under the settings."""
    steps = Training(settings.loss, settings.optimizer, settings.backward, settings.mode, tuple(settings.freeze))
    return replace(settings.load, training=_is_training(source, settings), steps=steps)


def _convention_notes(counted: Counted) -> list[str]:
    """Where flops come from when another tool's eyes gave them."""
    tool = counted.convention.tool
    if tool is None or counted.convention.weights:
        return []
    notes = [f"flops are what {tool.version} says, in {tool.unit}."]
    if counted.loss != NO_LOSS and not tool.look.backward:
        notes.append(f"{counted.convention.name} counts the forward pass alone: backward and step have no flops.")
    return notes


def _flops(
    convention: Convention, source: Any, options: LoadOptions, model: Model, loss: str
) -> tuple[Sequence[Row], Convention]:
    """Rows of flops that weights over the ledger cannot give, and the convention that is left."""
    if convention.tool is None and not convention.per_parameter:
        return (), convention
    from nncost.pipeline.convention_flops import with_flops

    return with_flops(convention, source, options, model, loss)


def _storage(parameters: Sequence[Parameter]) -> Storage | None:
    """What the parameters take in their file; None where they are not from one."""
    if all(parameter.stored_bytes is None for parameter in parameters):
        return None
    from nncost.counting.storage import storage_of

    return storage_of(parameters)


def _per_example(ledger: Ledger, batch: Dim) -> Ledger:
    """A traced ledger with the neurons of one example; all of them where the batch is not what is divided."""
    neurons = ledger.neurons
    if not is_symbolic(neurons) and not is_symbolic(batch) and (batch == 0 or neurons % batch):
        return ledger
    return replace(ledger, neurons=exact_divide(neurons, batch))


# ------------------------------------------------------------------- settings
def _check(settings: Settings) -> None:
    given = {"bias": settings.load.bias, "dtype": settings.load.dtype}
    given |= {name: getattr(settings, name) for name in ("backward", "mode", "taps", "allocator")}
    for name, value in given.items():
        check_choice(name, value)
    numbers = {"examples": settings.examples, "epochs": settings.epochs, "accumulate": settings.accumulate}
    for name, number in (*numbers.items(), ("batch", settings.load.batch)):
        if isinstance(number, bool) or (isinstance(number, int) and number < 1):
            raise OptionError(f"{name} must be at least 1, received {number}")
    if settings.examples is None and settings.epochs != 1:
        raise OptionError(
            "epochs needs examples: the number of training examples.", hint="For example: --examples 60000"
        )


def _check_names(settings: Settings) -> None:
    """Our own losses and optimizers have names; a framework's may be objects."""
    check_choice("loss", settings.loss)
    check_choice("optimizer", settings.optimizer)


def _is_training(source: Any, settings: Settings) -> bool:
    if settings.mode is not None:
        return settings.mode == TRAIN
    if settings.loss is not None:
        return bool(settings.loss != NO_LOSS)
    if settings.optimizer is not None:
        return bool(settings.optimizer != NO_OPTIMIZER)
    return registry.front_end_for(source).trains_by_default


def _training_of(model: Model, settings: Settings) -> tuple[str, str]:
    """The loss and optimizer: those named, or the defaults of the kind of source."""
    loss, optimizer = settings.loss, settings.optimizer
    if loss is None:
        loss = model.default_loss
        if loss == NO_LOSS and optimizer not in (None, NO_OPTIMIZER):
            loss = "cross_entropy" if _ends_in_softmax(model.graph) else "squared_error"
    if loss == NO_LOSS:
        if optimizer not in (None, NO_OPTIMIZER):
            raise OptionError("an optimizer needs a loss, received loss none", hint=f"Losses: {', '.join(LOSSES)}.")
        return loss, NO_OPTIMIZER
    return loss, optimizer or model.default_optimizer


def _ends_in_softmax(graph: Graph) -> bool:
    last = graph.items[-1]
    return isinstance(last, Region) and last.name == "softmax" and last.outputs == graph.outputs


def _frozen(graph: Graph, patterns: Sequence[str]) -> Graph:
    """The graph with the parameters whose path matches a pattern not trainable."""
    unused = set(patterns)

    def hit(parameter: Parameter) -> bool:
        hits = {p for p in patterns if matches(p, parameter.path, parameter.tensor.name)}
        unused.difference_update(hits)
        return bool(hits)

    parameters = tuple(replace(p, trainable=False) if hit(p) else p for p in graph.parameters)
    if unused:
        known = ", ".join(dict.fromkeys(p.path for p in graph.parameters)) or "none"
        raise OptionError(f"freeze={min(unused)!r} matches no layer.", hint=f"Layers with parameters: {known[:500]}.")
    return replace(graph, parameters=parameters)


def _settings(settings: Settings, counted: Counted) -> dict[str, Any]:
    training = counted.loss != NO_LOSS
    mode = settings.mode or (TRAIN if training else INFERENCE)
    result: dict[str, Any] = {
        "batch": counted.model.batch, "dtype": _dtype(settings, counted), "loss": counted.loss,
        "optimizer": counted.optimizer, "convention": settings.convention, "mode": mode,
        "backward": "derived" if counted.model.trace is None or not training else "traced", "taps": settings.taps, "accumulate": settings.accumulate,
    }  # fmt: skip
    if settings.freeze:
        result["freeze"] = list(settings.freeze)
    return result


def _dtype(settings: Settings, counted: Counted) -> str:
    """The type asked for; a model that ran has its own: that of most of its floating-point parameters."""
    if counted.model.trace is None:
        return settings.load.dtype
    elements: dict[str, list[Dim]] = {}
    for parameter in counted.model.graph.parameters:
        if parameter.role != "buffer" and "float" in parameter.tensor.dtype:
            elements.setdefault(parameter.tensor.dtype, []).append(parameter.tensor.elements)
    return max(elements, key=lambda dtype: int(add_all(elements[dtype])), default=settings.load.dtype)


# ------------------------------------------------------------------- ledgers to report
def _times(ledger: Ledger, times: Dim, phases: Sequence[str] = PHASES) -> Ledger:
    if times == 1:
        return ledger
    rows = tuple(row._replace(amount=row.amount * times) if row.phase in phases else row for row in ledger.rows)
    return replace(ledger, rows=tuple(row for row in rows if row.amount != 0))


def _added(left: Ledger, right: Ledger) -> Ledger:
    return replace(left, rows=(*left.rows, *right.rows))


def _derivatives(counted: Counted) -> list[Row]:
    """One derivative for each trained parameter, whatever the batch."""
    ops_by_path = layers_of(counted.model)
    return [
        Row(p.path, ops_by_path.get(p.path, "parameters"), "", "backward", "derivatives", p.tensor.elements)
        for p in counted.gradients
    ]


# ------------------------------------------------------------------- the whole run
def _run(source: Any, settings: Settings, counted: Counted, convention: Convention) -> Run:
    """All steps of all epochs; the last batch of an epoch may be smaller and is counted at its own size."""
    examples, batch, epochs = cast("Dim", settings.examples), counted.model.batch, settings.epochs
    if is_symbolic(examples) or is_symbolic(batch):
        full, rest, assumes = exact_divide(examples, batch), 0, f"{batch} divides {examples}"
        micro_batches, steps = full, exact_divide(full, settings.accumulate)
        if settings.accumulate != 1:
            assumes = f"{batch * settings.accumulate} divides {examples}"
    else:
        full, rest = divmod(examples, batch)
        micro_batches, assumes = full + (rest > 0), ""
        steps = -(-micro_batches // settings.accumulate)
    parts = [_times(counted.ledger, epochs * full, ("forward", "loss", "backward"))] if full != 0 else []
    if rest:
        smaller = replace(settings, load=replace(settings.load, batch=rest))
        last = count_source(source, smaller)
        parts.append(_times(last.ledger, epochs, ("forward", "loss", "backward")))
    rows = [row for part in parts for row in part.rows if row.phase != "update"]
    updates = [row for row in counted.ledger.rows if row.phase == "update"]
    rows += [row._replace(amount=row.amount * steps * epochs) for row in updates]
    rows += [row._replace(amount=row.amount * (micro_batches - steps) * epochs) for row in counted.accumulation.rows]
    rows += [row._replace(amount=row.amount * steps * epochs) for row in _derivatives(counted)]
    return Run(
        examples, epochs, batch, steps * epochs, totals_of([r for r in rows if r.amount != 0], convention), assumes
    )
