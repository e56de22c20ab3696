"""A checkpoint's tables: parameters and bytes by layer, type or tensor; it has no operations to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from nncost.counting.storage import BITS, Storage, StoredTensor, StoredType, decimal, grouped, together
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
_ROLES = {
    "weights": "weight", "biases": "bias", "other": "other", "buffers": "buffer", "quantization": "quantization",
    "optimizer": "optimizer",
}  # fmt: skip
_MAX_NAMED = 6
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
    facts += [
        ("packed", f"{exact(t.parameters)} parameters by {name}, {_bits(t)} each")
        for name, t in storage.formats.items()
    ]
    return [*facts, *_beside(storage)]


def _beside(storage: Storage) -> Iterator[tuple[str, str]]:
    """What belongs to quantized weights, and the bits with it; an optimizer's state, where there is nothing else."""
    if storage.optimizer:
        yield (
            "optimizer",
            f"{_amount(storage.optimizer)}   ({counted(_bytes(storage.optimizer), 'byte')}: its state, no parameters)",
        )
    apart, bits = storage.quantization, storage.bits_with_quantization
    if not apart:
        return
    last = (tensor.name.rpartition(".")[2] for tensor in apart)
    names = list(dict.fromkeys(name for name in last if not name.isdigit()))
    shown = ", ".join(names[:_MAX_NAMED]) + (" …" if len(names) > _MAX_NAMED else "")
    size = counted(storage.quantization_bytes, "byte")
    yield "quantization", f"{_amount(apart)}{f': {shown}' if shown else ''}   ({size}; no parameters)"
    if bits is not None:
        formula = f"{BITS} · ({exact(storage.parameter_bytes)} + {exact(storage.quantization_bytes)}) / {exact(storage.parameters)}"
        yield "bits with it", f"{decimal(bits)} per parameter  =  {formula}"


def _amount(tensors: Sequence[StoredTensor]) -> str:
    return f"{exact(add_all(tensor.elements for tensor in tensors))} in {counted(len(tensors), 'tensor')}"


def _bits(stored: StoredType) -> str:
    return "0 bits" if stored.bits_per_weight is None else f"{decimal(stored.bits_per_weight)} bits"


def _groups(storage: Storage, by: str, depth: int | None) -> Mapping[str, Sequence[StoredTensor]]:
    def key(tensor: StoredTensor) -> str:
        described = f"{tensor.name} {_stored_as(tensor)} {shape_text(tensor.shape)}"
        return (described if by == "tensor" else cut_path(tensor.path, depth)) or tensor.name

    return grouped(storage.tensors, key)


def _stored_as(tensor: StoredTensor) -> str:
    """The type, and of packed weights the format."""
    return f"{tensor.dtype} ({tensor.packed})" if tensor.packed and tensor.parameters else tensor.dtype


def _table(groups: Mapping[str, Sequence[StoredTensor]]) -> Table:
    columns: list[_Column] = [(title, _elements(role)) for title, role in _ROLES.items()]
    columns = [column for column in columns if any(column[1](tensors) != 0 for tensors in groups.values())]
    return _filled(groups, [*columns, ("bytes", _bytes)])


def _types(storage: Storage) -> Table:
    groups = grouped(storage.tensors, _stored_as)
    columns: list[_Column] = [("tensors", len), ("parameters", lambda tensors: add_all(t.parameters for t in tensors))]
    beside: list[_Column] = [
        (title, _elements(role)) for title, role in _ROLES.items() if title == role or role == "buffer"
    ]
    columns += [column for column in beside if column[1](storage.tensors) != 0]
    table = _filled(groups, [*columns, ("bytes", _bytes)])
    if storage.bits_per_weight is None:
        return table
    bits = [together(tensors).bits_per_weight for tensors in groups.values()]
    cells = ["" if each is None else decimal(each) for each in bits]
    return _with_last(table, "bits per weight", cells, decimal(storage.bits_per_weight))


def _with_last(table: Table, title: str, cells: Sequence[str], total: str) -> Table:
    """The table with a column of text behind the others, which has no sum."""
    assert table.total is not None
    rows = tuple((*row, cell) for row, cell in zip(table.rows, cells, strict=True))
    return Table((*table.header, title), rows, total=(*table.total, total))


def _filled(groups: Mapping[str, Sequence[StoredTensor]], columns: Sequence[_Column]) -> Table:
    rows = [(name, [amount(tensors) for _, amount in columns]) for name, tensors in groups.items()]
    return summed(("", *(title for title, _ in columns)), rows)


def _elements(role: str) -> Callable[[Sequence[StoredTensor]], Dim]:
    return lambda tensors: add_all(tensor.elements for tensor in tensors if tensor.role == role)


def _bytes(tensors: Sequence[StoredTensor]) -> Dim:
    return sum(tensor.bytes for tensor in tensors)
