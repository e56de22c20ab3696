"""A checkpoint's tables: parameters and bytes by layer, type or tensor; it has no operations to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.counting.storage import BITS, Storage, StoredTensor, decimal
from nncost.dims import Dim, add_all, shape_text
from nncost.documents.document import Block, Document, Facts, Heading, Note, Section, Table
from nncost.errors import OptionError
from nncost.report import Report
from nncost.units import counted, exact
from nncost.views import cut_path
from nncost.views.command import Command
from nncost.views.count import parameters_fact
from nncost.views.layers import summed

BY = ("layer", "dtype", "tensor")
_ROLES = {"weights": "weight", "biases": "bias", "other": "other", "buffers": "buffer"}
_Column = tuple[str, Callable[[Sequence[StoredTensor]], Dim]]


def checkpoint_document(
    report: Report, *, by: str = "layer", depth: int | None = None, command: Command | None = None
) -> Document:
    """Return the tables of a checkpoint, with rows ``by`` layer, dtype or tensor. Raise OptionError for another ``by``."""
    storage = report.storage
    assert storage is not None
    if by not in BY:
        raise OptionError(f"a checkpoint cannot be grouped by {by!r}.", hint=f"Accepted: {', '.join(BY)}.")
    blocks: list[Block] = [Facts(tuple(_facts(report, storage)))]
    if by != "dtype":
        blocks += [Heading(by.capitalize()), _table(_groups(storage, by, depth))]
    blocks += [Heading("Stored as"), _types(storage), *(Note(f"Note: {note}") for note in report.notes)]
    if command is not None:
        blocks.append(command.next("count", "--by", "layer" if by == "tensor" else "tensor"))
    return Document(report.source.name, (Section("", tuple(blocks)),))


def _facts(report: Report, storage: Storage) -> list[tuple[str, str]]:
    p, bits = report.parameters, storage.bits_per_weight
    facts = [parameters_fact(p)]
    if p.buffers != 0:
        facts.append(("buffers", f"{exact(p.buffers)} (state and constants, not parameters)"))
    facts.append(("tensors", f"{exact(len(storage.tensors))}   ({counted(storage.bytes, 'byte')})"))
    if bits is not None:
        formula = f"{BITS} · {exact(storage.parameter_bytes)} / {exact(storage.parameters)}"
        facts.append(("bits", f"{decimal(bits)} per parameter  =  {formula}"))
    return facts


def _groups(storage: Storage, by: str, depth: int | None) -> Mapping[str, Sequence[StoredTensor]]:
    groups: dict[str, list[StoredTensor]] = {}
    for tensor in storage.tensors:
        described = f"{tensor.name} {tensor.dtype} {shape_text(tensor.shape)}"
        key = described if by == "tensor" else cut_path(tensor.path, depth)
        groups.setdefault(key or tensor.name, []).append(tensor)
    return groups


def _table(groups: Mapping[str, Sequence[StoredTensor]]) -> Table:
    columns: list[_Column] = [(title, _elements(role)) for title, role in _ROLES.items()]
    columns = [column for column in columns if any(column[1](tensors) != 0 for tensors in groups.values())]
    return _filled(groups, [*columns, ("bytes", _bytes)])


def _types(storage: Storage) -> Table:
    groups = {dtype: [tensor for tensor in storage.tensors if tensor.dtype == dtype] for dtype in storage.dtypes}
    columns: list[_Column] = [("tensors", len), ("parameters", lambda tensors: add_all(t.parameters for t in tensors))]
    if any(stored.buffers for stored in storage.dtypes.values()):
        columns.append(("buffers", _elements("buffer")))
    return _filled(groups, [*columns, ("bytes", _bytes)])


def _filled(groups: Mapping[str, Sequence[StoredTensor]], columns: Sequence[_Column]) -> Table:
    rows = [(name, [amount(tensors) for _, amount in columns]) for name, tensors in groups.items()]
    return summed(("", *(title for title, _ in columns)), rows)


def _elements(role: str) -> Callable[[Sequence[StoredTensor]], Dim]:
    return lambda tensors: add_all(tensor.elements for tensor in tensors if tensor.role == role)


def _bytes(tensors: Sequence[StoredTensor]) -> Dim:
    return sum(tensor.bytes for tensor in tensors)
