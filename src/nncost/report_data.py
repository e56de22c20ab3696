"""A report as plain data: the JSON of ``nncost.report/1``, and its rows as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncost.counting.memory.memory import AMOUNTS, Candidate, Memory, TimelineRow
from nncost.counting.quantities import ALL
from nncost.dims import Dim, is_symbolic, shape_text, tidy
from nncost.version import __version__

if TYPE_CHECKING:
    from nncost.counting.storage import Storage, StoredTensor, StoredType
    from nncost.report import ParameterCounts, ParameterType, Report, ReportRow, Run, Totals

SCHEMA = "nncost.report/1"
_NAMES = ("path", "op", "phase")
_SIZES = ("times", "parameters", "weights", "biases", "other")


def report_data(report: Report) -> dict[str, Any]:
    """Return exactly the JSON that ``nncost count --json`` prints."""
    source = report.source
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "nncost": __version__,
        "source": {
            "kind": source.kind,
            "name": source.name,
            "inputs": {name: [plain(dim) for dim in shape] for name, shape in source.inputs.items()},
        },
        "settings": {name: plain(value) for name, value in report.settings.items()},
        "complete": report.complete,
        "unknown": [dict(item) for item in report.unknown],
        "parameters": _parameters(report.parameters),
        "neurons": plain(report.neurons),
        "totals": _totals(report.totals),
        "memory": _memory(report.memory),
        "rows": [_row(row) for row in report.rows],
    }
    if report.estimated:
        result["estimated"] = list(report.estimated)
    if report.notes:
        result["notes"] = list(report.notes)
    result["free"] = dict(report.free)
    if report.storage is not None:
        result["storage"] = _storage(report.storage)
    if report.parameter_types:
        result["parameter_types"] = [_known(each) for each in report.parameter_types]
    if report.run is not None:
        result["run"] = _run(report.run)
    return result


def row_table(report: Report) -> tuple[list[str], list[list[str | Dim]]]:
    """Return titles, and a line per layer, operation and phase; quantities that no row has are left out."""
    quantities = [name for name in ALL if any(name in row.counts for row in report.rows)]
    lines: list[list[str | Dim]] = [
        [
            *(getattr(row, name) for name in _NAMES),
            "" if row.output is None else shape_text(row.output),
            *(getattr(row, name) for name in _SIZES),
            *(row.counts[name] for name in quantities),
        ]
        for row in report.rows
    ]
    return [*_NAMES, "output", *_SIZES, *quantities], lines


def plain(value: Any) -> Any:
    """A size as JSON holds it: an integer of any size, or a formula as text."""
    if hasattr(value, "free_symbols") or (is_symbolic(value) and hasattr(value, "is_Integer")):
        return str(tidy(value))
    return value


def _parameters(counts: ParameterCounts) -> dict[str, Any]:
    amounts: dict[str, Any] = {name: plain(getattr(counts, name)) for name in type(counts).__match_args__}
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


def _known(item: Candidate | TimelineRow | ParameterType) -> dict[str, Any]:
    """Fields that are known, by name."""
    fields = ((name, getattr(item, name)) for name in item.__match_args__)
    return {name: plain(value) for name, value in fields if value is not None}


def _row(row: ReportRow) -> dict[str, Any]:
    result: dict[str, Any] = {"path": row.path, "op": row.op, "phase": row.phase}
    if row.output is not None:
        result["output"] = [plain(dim) for dim in row.output]
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
    result["dtypes"] = {dtype: _stored_type(stored) for dtype, stored in storage.dtypes.items()}
    if storage.quantization or storage.formats:
        result["quantization"] = _quantization(storage)
    if storage.optimizer:
        state = storage.optimizer
        result["optimizer"] = {"tensors": len(state), "bytes": sum(tensor.bytes for tensor in state)}
    result["tensors"] = [_stored_tensor(tensor) for tensor in storage.tensors]
    return result


def _stored_type(stored: StoredType) -> dict[str, Any]:
    result: dict[str, Any] = {"tensors": stored.tensors, "parameters": stored.parameters, "bytes": stored.bytes}
    result |= {name: amount for name in ("buffers", "quantization") if (amount := getattr(stored, name))}
    bits = stored.bits_per_weight
    return result if bits is None else result | {"bits_per_weight": float(bits)}


def _quantization(storage: Storage) -> dict[str, Any]:
    """What belongs to quantized weights, the bits of a weight with it, and the sums of each format."""
    apart, bits = storage.quantization, storage.bits_with_quantization
    result: dict[str, Any] = {"tensors": len(apart), "bytes": storage.quantization_bytes}
    if bits is not None:
        result["bits_per_weight"] = float(bits)
        result["formula"] = f"8 * ({storage.parameter_bytes} + {storage.quantization_bytes}) / {storage.parameters}"
    return result | {"formats": {name: _stored_type(stored) for name, stored in storage.formats.items()}}


def _stored_tensor(tensor: StoredTensor) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": tensor.name, "dtype": tensor.dtype, "shape": [plain(dim) for dim in tensor.shape], "role": tensor.role,
        "elements": plain(tensor.elements), "bytes": tensor.bytes,
    }  # fmt: skip
    if tensor.packed:
        result["packed"] = tensor.packed
    if tensor.stored_shape != tensor.shape:
        result["stored_shape"] = list(tensor.stored_shape)
    return result
