"""Report on a source: count it and put what was counted into one report."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from nncost.counting.ledger import ESTIMATED
from nncost.counting.memory.step import memory_of
from nncost.dims import Dim, add_all
from nncost.frontends.model import Model
from nncost.ir.training.losses import NO_LOSS
from nncost.pipeline.choices import INFERENCE, TRAIN
from nncost.pipeline.count import Counted, count_source, no_collection
from nncost.pipeline.ledgers import added, derivatives, multiplied
from nncost.pipeline.output_shapes import output_shapes
from nncost.pipeline.report_builder import FLOPS, layers_of, parameter_counts, parameter_types, report_rows, totals_of
from nncost.pipeline.settings import Settings
from nncost.report import Report, Run, Source

if TYPE_CHECKING:
    from nncost.counting.storage import Storage


def report_on(source: Any, settings: Settings) -> Report:
    """Count a source under the settings. Raise an NncostError for anything that does not fit."""
    with no_collection():
        return _report_on(source, settings)


def _report_on(source: Any, settings: Settings) -> Report:
    counted = count_source(source, settings)
    convention = counted.convention
    k = settings.accumulate
    ledger = added(
        multiplied(counted.ledger, k, ("forward", "loss", "backward")), multiplied(counted.accumulation, k - 1)
    )
    model = counted.model
    rows = [*ledger.rows, *derivatives(counted.step.gradients, layers_of(model))]
    storage, shapes = _storage(model), output_shapes(model)
    return Report(
        source=Source(model.kind, model.name, model.inputs),
        settings=_settings(settings, counted) | ({} if storage is None else {"dtype": storage.dtype}),
        parameters=parameter_counts(model.graph.parameters, model.active_parameters),
        neurons=ledger.neurons,
        totals=totals_of(rows, convention),
        rows=report_rows([row for row in rows if row.quantity != FLOPS], model, shapes),
        outputs=shapes.by_layer,
        parameter_types=parameter_types(model.graph.parameters),
        unknown=[
            {"path": u.path, "op": u.op, "phase": u.phase, **({"reason": u.reason} if u.reason else {})}
            for u in ledger.unknown
        ],
        free=ledger.free,
        estimated=sorted({f"{row.path}: {row.op} ({row.quantity})" for row in rows if row.note == ESTIMATED}),
        notes=(*model.notes, *_convention_notes(counted)),
        storage=storage,
        run=_run(source, settings, counted),
        memory=memory_of(
            model, counted.step, counted.kernels, accumulate=k, complete=counted.ledger.complete,
            allocator=settings.allocator,
        ),
    )  # fmt: skip


def _convention_notes(counted: Counted) -> list[str]:
    """Where flops come from when another tool's eyes gave them."""
    tool = counted.convention.tool
    if tool is None or counted.convention.weights:
        return []
    notes = [f"flops are what {tool.version} says, in {tool.unit}."]
    if counted.loss != NO_LOSS and not tool.instrumentation.backward:
        notes.append(f"{counted.convention.name} counts the forward pass alone: backward and step have no flops.")
    return notes


def _storage(model: Model) -> Storage | None:
    """What the tensors take in their file; None where they are not from one."""
    if not model.stored:
        return None
    from nncost.counting.storage import Storage, StoredTensor

    return Storage(
        [
            StoredTensor(t.name, t.path, t.role, t.dtype, t.shape, prod(t.shape), t.bytes, t.packed, t.stored_shape)
            for t in model.stored
        ]
    )


def _run(source: Any, settings: Settings, counted: Counted) -> Run | None:
    """The whole run; None if the number of examples is open."""
    if settings.examples is None:
        return None
    from nncost.pipeline.run import run_of

    return run_of(source, settings, counted)


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
