"""A checkpoint's tables: parameters and bytes by layer, type or tensor; it has no operations to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.counting.storage import BITS, Storage, StoredTensor, decimal
from nncost.dims import Dim, add_all, shape_text
from nncost.errors import OptionError
from nncost.report import Report
from nncost.units import exact
from nncost.views.summary import Summary
from nncost.views.table import Table, cut_path

BY = ("layer", "dtype", "tensor")
_ROLES = {"weights": "weight", "biases": "bias", "other": "other", "buffers": "buffer"}
_Column = tuple[str, Callable[[Sequence[StoredTensor]], Dim]]


def summarise_checkpoint(report: Report, storage: Storage, *, by: str, depth: int | None) -> Summary:
    """The tables of a checkpoint, grouped ``by`` layer, dtype or tensor. Raises OptionError for other groupings."""
    if by not in BY:
        raise OptionError(f"a checkpoint cannot be grouped by {by!r}.", hint=f"Accepted: {', '.join(BY)}.")
    table, types = _table(by.capitalize(), _groups(storage, by, depth)), _types(storage)
    return Summary(
        title=report.source.name,
        facts=_facts(report, storage),
        tables=[types] if by == "dtype" else [table, types],
        warnings=(),
        closing=[f"Note: {note}" for note in report.notes],
        symbolic=False,
    )


def _facts(report: Report, storage: Storage) -> list[tuple[str, str]]:
    p, bits = report.parameters, storage.bits_per_weight
    parts = [f"{exact(p.weights)} weights", f"{exact(p.biases)} biases"]
    parts += [f"{exact(p.other)} other"] if p.other != 0 else []
    facts = [("parameters", f"{exact(p.total)}  =  {' + '.join(parts)}   ({exact(p.bytes)} bytes)")]
    if p.buffers != 0:
        facts.append(("buffers", f"{exact(p.buffers)} (state and constants, not parameters)"))
    facts.append(("tensors", f"{exact(len(storage.tensors))}   ({exact(storage.bytes)} bytes)"))
    if bits is not None:
        formula = f"{BITS} · {exact(storage.parameter_bytes)} / {exact(storage.parameters)}"
        facts.append(("bits", f"{decimal(bits)} for each parameter  =  {formula}"))
    return facts


def _groups(storage: Storage, by: str, depth: int | None) -> Mapping[str, Sequence[StoredTensor]]:
    groups: dict[str, list[StoredTensor]] = {}
    for tensor in storage.tensors:
        key = (
            f"{tensor.name} {tensor.dtype} {shape_text(tensor.shape)}"
            if by == "tensor"
            else cut_path(tensor.path, depth)
        )
        groups.setdefault(key or tensor.name, []).append(tensor)
    return groups


def _table(caption: str, groups: Mapping[str, Sequence[StoredTensor]]) -> Table:
    columns: list[_Column] = [(title, _elements(role)) for title, role in _ROLES.items()]
    columns = [column for column in columns if any(column[1](tensors) != 0 for tensors in groups.values())]
    return _filled(caption, groups, [*columns, ("bytes", _bytes)])


def _types(storage: Storage) -> Table:
    groups = {dtype: [tensor for tensor in storage.tensors if tensor.dtype == dtype] for dtype in storage.dtypes}
    columns: list[_Column] = [("tensors", len), ("parameters", lambda tensors: add_all(t.parameters for t in tensors))]
    if any(stored.buffers for stored in storage.dtypes.values()):
        columns.append(("buffers", _elements("buffer")))
    return _filled("Stored as", groups, [*columns, ("bytes", _bytes)])


def _filled(caption: str, groups: Mapping[str, Sequence[StoredTensor]], columns: Sequence[_Column]) -> Table:
    rows = [(name, [amount(tensors) for _, amount in columns]) for name, tensors in groups.items()]
    total = [add_all(cells[i] for _, cells in rows) for i in range(len(columns))]
    titles = [title for title, _ in columns]
    return Table(caption, [""] * len(titles), titles, [*rows, ("total", total)], has_total=True)


def _elements(role: str) -> Callable[[Sequence[StoredTensor]], Dim]:
    return lambda tensors: add_all(tensor.elements for tensor in tensors if tensor.role == role)


def _bytes(tensors: Sequence[StoredTensor]) -> Dim:
    return sum(tensor.bytes for tensor in tensors)
