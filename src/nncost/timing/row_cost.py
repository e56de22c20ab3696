"""What each row of a report asks of a device: contractions, other arithmetic, bytes and kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from nncost.counting.products import Product
from nncost.counting.quantities import ARITHMETIC, ELEMENTARY
from nncost.dims import Dim, is_symbolic
from nncost.errors import Instead, OptionError, SymbolError
from nncost.records import field, record, replace
from nncost.report import Report, ReportRow

FLOPS_PER_PRODUCT = 2
"""A product inside a contraction and the addition that sums it."""
GRADIENT_KERNELS = 3
"""Gradients of an input, of weights and of biases are three kernels."""
GRADIENT_CONTRACTIONS = 2
"""Those of an input and of weights are contractions."""
MOST_BITS = 500
"""Counts of more bits leave the range of floating-point numbers once they are added up and divided by a rate."""
ATTENTION = "attention"
TIME_STEP = "step"
"""The name of what a recurrent layer does again and again."""
QUERY_SIZED_IN_BACKWARD = 3
"""Queries, output and the output's gradient, which a fused attention's backward pass reads."""
_NUMBERS = (*ARITHMETIC, *ELEMENTARY, "random", "int_ops")


@record
class Work:
    """One operation of one layer in one phase; ``contractions`` are those of its ``kernels`` that multiply.

    ``products`` are the matrix products that its contractions are, and how often each runs; none where their sizes are not
    known. ``part`` is its name inside of a row with several; ``rows`` and ``columns`` are those of what its layer
    returns, the last axis across; 0 where they are not known.
    """

    path: str
    op: str
    phase: str
    contraction_flops: int
    other_flops: int
    bytes: int
    written_bytes: int
    kernels: int
    contractions: int
    products: Mapping[Product, int] = field(default_factory=dict)
    part: str = ""
    rows: int = 0
    columns: int = 0


def work_of(report: Report, *, accelerator: bool = False) -> Iterator[list[Work]]:
    """The work of each row, one part per operation inside. Raise SymbolError if a size has no number.

    On an ``accelerator`` the attention of a spec runs as one kernel that writes no scores to memory, and a recurrent
    layer as one kernel for each time step: a step waits for the one before.
    """
    _check_numbers(report)
    batches = int(report.settings["accumulate"])
    handed, times = (_projections(report), _time_steps(report)) if accelerator else ({}, {})
    tables = {row.path: _table(row) for row in report.rows if row.phase == "forward"}
    for row in report.rows:
        if TIME_STEP in row.inside and row.path in times:
            yield [_sequential(_whole(row, batches), times[row.path])]
            continue
        if row.op == ATTENTION and row.path in handed:
            yield [_fused(_whole(row, batches), handed[row.path])]
            continue
        parts = row.inside or {row.op: row.counts}
        works = [_work(row, counts, batches, row.products.get(name, {})) for name, counts in parts.items()]
        size = (0, 0) if row.phase == "update" else tables.get(row.path, (0, 0))
        works = [
            replace(work, part=name if row.inside else "", rows=size[0], columns=size[1])
            for name, work in zip(parts, works, strict=True)
        ]
        if any(work.kernels for work in works):
            yield works


def _table(row: ReportRow) -> tuple[int, int]:
    """Rows and columns of what a layer returns; zeros where they are not known."""
    sizes = row.output
    if not sizes or not all(isinstance(size, int) for size in sizes):
        return 0, 0
    whole = [int(size) for size in sizes]
    return prod(whole[:-1]), whole[-1]


def _projections(report: Report) -> dict[str, tuple[int, int]]:
    """For each attention: bytes of its queries, and of its keys and values, as their projections write them."""
    written = {row.path: _number(row.counts, "write_bytes") for row in report.rows if row.phase == "forward"}
    paths = [row.path for row in report.rows if row.op == ATTENTION and row.phase == "forward"]
    whole = [path for path in paths if all(f"{path}.{name}" in written for name in ("query", "key", "value"))]
    return {path: (written[f"{path}.query"], written[f"{path}.key"] + written[f"{path}.value"]) for path in whole}


def _time_steps(report: Report) -> dict[str, int]:
    """For each recurrent layer how often an example passes its weights: once in each time step."""
    examples = report.settings["batch"] * report.settings["accumulate"]
    rows = [row for row in report.rows if row.phase == "forward" and TIME_STEP in row.inside and row.weights != 0]
    return {row.path: max(1, _number(row.counts, "macs") // (examples * row.weights)) for row in rows}


def _sequential(work: Work, times: int) -> Work:
    return replace(work, kernels=work.kernels * times, contractions=work.contractions * times)


def _fused(work: Work, handed: tuple[int, int]) -> Work:
    """One kernel's traffic: forward reads queries, keys and values and writes an output as large as the queries.

    Backward reads these four and the output's gradient and writes the gradients of the first three.
    """
    queries, others = handed
    if work.phase == "forward":
        return replace(work, bytes=2 * queries + others, written_bytes=queries)
    read = QUERY_SIZED_IN_BACKWARD * queries + others
    return replace(work, bytes=read + queries + others, written_bytes=queries + others)


def _whole(row: ReportRow, batches: int) -> Work:
    """What all operations of a row ask for together."""
    products: dict[Product, int] = {}
    for runs in row.products.values():
        products |= {product: products.get(product, 0) + times for product, times in runs.items()}
    return _work(row, row.counts, batches, products)


def _work(row: ReportRow, counts: Mapping[str, Dim], batches: int, products: Mapping[Product, int]) -> Work:
    """What a row's counts ask for; ``batches`` make up a step, and the update runs once."""
    contraction = FLOPS_PER_PRODUCT * _number(counts, "macs")
    flops = sum(_number(counts, name) for name in _NUMBERS)
    written = _number(counts, "write_bytes")
    traffic = _number(counts, "read_bytes") + written
    kernels = contractions = 1 if flops or traffic else 0
    if contraction and row.phase == "backward":
        kernels, contractions = GRADIENT_KERNELS, GRADIENT_CONTRACTIONS
    assert isinstance(row.times, int)
    others = max(0, flops - contraction)
    repeats = row.times if row.phase == "update" else row.times * batches
    calls = (kernels * repeats, contractions * repeats)
    return Work(row.path, row.op, row.phase, contraction, others, traffic, written, *calls, products)


def _number(counts: Mapping[str, Dim], name: str) -> int:
    amount = counts.get(name, 0)
    assert isinstance(amount, int)
    check_finite(amount)
    return amount


def check_finite(amount: int) -> None:
    """Raise OptionError for a count beyond what a time can be worked out for."""
    if amount.bit_length() > MOST_BITS:
        raise OptionError(
            f"this is too large for a prediction: a count has more than {MOST_BITS} bits.",
            hint="nncost count gives its exact counts.",
        )


def _check_numbers(report: Report) -> None:
    sizes = [report.settings["batch"], *(size for row in report.rows for size in (row.times, *row.counts.values()))]
    for size in sizes:
        if is_symbolic(size):
            names = ", ".join(sorted(str(symbol) for symbol in size.free_symbols))
            raise SymbolError(
                f"a prediction needs numbers; these sizes have none: {names}.",
                hint="For example: --batch 32 --symbol h=128",
                instead=Instead("", " ".join(f"--symbol {name}=128" for name in names.split(", "))),
            )
