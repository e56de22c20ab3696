"""Bytes read and written: of each kernel the tensors it reads and leaves for others, in numbers times bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from nncost.counting.kernels import Kernels, kernels_of
from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all, same
from nncost.documents.document import Block, Line, Maths, Paragraph
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.context import Context
from nncost.explaining.derivation import constant_tensors
from nncost.explaining.executed import Place
from nncost.explaining.working import gathered
from nncost.ir.dtypes import whole_bytes
from nncost.ir.graph import Graph, Tensor
from nncost.notation.written import is_sum, joined, multiplied, tidied, written
from nncost.pipeline.count import Counted
from nncost.records import record

READ: Quantity = "read_bytes"
_RULE = (
    "A kernel reads every distinct input once and writes every output that another one uses once; each gradient of a layer "
    "is a kernel of its own. Each line adds up these tensors: the numbers in them, times the bytes of one."
)
_PACKED = "Of packed weights it adds up the bytes, scales included."
_FEW = 16
"""Up to so many tensors of different sizes are added up in one line; more stand as their sum."""


@record
class _Moved:
    """The tensors that a kernel of a layer moves, each in bytes and bytes of one number; ``times`` so often."""

    place: Place
    tensors: tuple[tuple[Dim, int], ...]
    times: Dim = 1


def traffic(context: Context, phase: str, quantity: Quantity) -> list[Block]:
    """Return the bytes of each layer; as they are where their tensors are not known one by one."""
    rows: dict[tuple[str, str], list[Dim]] = {}
    for row in context.report.rows:
        if row.phase == phase and row.counts.get(quantity, 0) != 0:
            rows.setdefault((row.path, row.op), []).append(row.counts[quantity])
    if not rows:
        return []
    only = {path: op for path, op in rows if sum(path == other for other, _ in rows) == 1}
    moved: dict[tuple[str, str], list[_Moved]] = {}
    for each in _moved(context.counted, quantity):
        path, op, of_phase = each.place
        if of_phase == phase:  # the kernels in a loop belong to the layer around it
            moved.setdefault((path, op if (path, op) in rows else only.get(path, op)), []).append(each)
    lines = [_line(place, add_all(parts), moved.get(place, []), context.micro_batches) for place, parts in rows.items()]
    is_packed = any(parameter.tensor.packed is not None for parameter in context.counted.model.graph.parameters)
    return [Paragraph(f"{_RULE} {_PACKED}" if is_packed else _RULE), gathered(lines)]


def _line(place: tuple[str, str], amount: Dim, moved: Sequence[_Moved], micro_batches: int) -> tuple[Line, Dim]:
    total = add_all(size * each.times for each in moved for size, _ in each.tensors)
    numbers = _added_up(moved) if same(total, amount) and micro_batches == 1 else None
    return Line(" ".join(place), None, numbers, tidied(amount)), amount


def _added_up(moved: Iterable[_Moved]) -> Maths | None:
    """``4 × (784 + 12,544 + 16)`` for each kind of number and of repetition."""
    parts: dict[tuple[Dim, int], Counter[Maths]] = {}
    for each in moved:
        for size, width in each.tensors:
            elements = whole_quotient(size, width)
            numbers = written(elements if elements is not None else size / width)
            parts.setdefault((each.times, width), Counter())[numbers] += 1
    if sum(map(len, parts.values())) > _FEW:
        return None
    return joined([_times(times, width, sizes) for (times, width), sizes in parts.items()], " + ", " + ")


def _times(times: Dim, width: int, sizes: Counter[Maths]) -> Maths:
    """The numbers in the tensors, equal ones together, times the bytes of one number and the repetitions."""
    terms = [
        size if number == 1 else multiplied(number, size, loose=" " in size.text) for size, number in sizes.items()
    ]
    loose = len(terms) > 1 or " + " in terms[0].text
    inner = multiplied(width, joined(terms, " + ", " + "), loose=loose)
    return inner if times == 1 else multiplied(times, inner, loose=is_sum(times))


# ------------------------------------------------------------------- the kernels that ran
def _moved(counted: Counted, quantity: Quantity) -> Iterator[_Moved]:
    trace = counted.model.trace
    if trace is None:
        yield from _of_graph(counted, counted.step.graph, quantity, 1)
        return
    calls = Counter((call.kernel, call.path, call.phase, call.op) for call in trace.calls())
    for (kernel, path, phase, op), times in calls.items():
        found = kernels_of(kernel.graph, constant_tensors(kernel.graph.items))
        for each in _of_kernels(found, quantity, times):
            if each.place[2] == kernel.own:
                yield _Moved((path, op or each.place[1], phase), each.tensors, each.times)


def _of_graph(counted: Counted, graph: Graph, quantity: Quantity, times: Dim) -> Iterator[_Moved]:
    """The kernels of a graph and, as often as they run, of the bodies of its loops."""
    found = counted.kernels.get(graph)
    if found is None:
        return
    yield from _of_kernels(found, quantity, times)
    for loop in found.loops:
        if loop.index is None:
            yield from _of_graph(counted, loop.body, quantity, times * loop.times)


def _of_kernels(found: Kernels, quantity: Quantity, times: Dim) -> Iterator[_Moved]:
    for kernel, read in zip(found.groups, found.reads, strict=True):
        if quantity == READ:
            tensors = [(size, _width(tensor)) for tensor, size in read.items()]
        else:
            outputs = (tensor for node in kernel.nodes for tensor in node.outputs if tensor in found.escaping)
            tensors = [(tensor.bytes, _width(tensor)) for tensor in outputs]
        if tensors:
            yield _Moved((kernel.path, kernel.op, kernel.phase), tuple(tensors), times)


def _width(tensor: Tensor) -> int:
    return whole_bytes(tensor.dtype) or 1 if tensor.packed is None else 1
