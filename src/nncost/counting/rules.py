"""The whole cost model: primitive operations of each core operation, as functions of shapes alone.

Rules only add and multiply, so they run on integers, on symbols and on NumPy columns. Each one is
proven by running the operation on numbers that count themselves (``tests/proof``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, ceil_log2, product
from nncost.ir import ops
from nncost.ir.dtypes import COMPLEX_DTYPES, INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.scalars import SCALARS
from nncost.ir.shapes import summed_size

Cost = tuple[Quantity, Dim]
_REDUCTIONS: dict[str, Quantity] = {"sum": "add", "prod": "mul", "max": "cmp", "min": "cmp"}


def costs(op: ops.Op, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Iterator[Cost]:
    """The primitive operations of one node; a Repeat's body is counted by the ledger.

    Integer and Boolean arithmetic is ``int_ops``, whatever it does.
    """
    arithmetic = _costs(op, inputs, outputs)
    if not COMPLEX_DTYPES.isdisjoint([tensor.dtype for tensor in (*inputs, *outputs)]):
        from nncost.counting.complex import complex_costs

        arithmetic = complex_costs(op, inputs, outputs, arithmetic)
    if outputs and outputs[0].dtype in INTEGER_DTYPES and _is_integer(op, inputs):
        arithmetic = (("int_ops", amount) for quantity, amount in arithmetic if quantity != "macs")
    yield from arithmetic


def _is_integer(op: ops.Op, inputs: Sequence[Tensor]) -> bool:
    """Whole numbers alone; quantized contractions keep their products, and an algorithm says itself what it does."""
    return not isinstance(op, (ops.Contract, ops.Algorithm)) and all(x.dtype in INTEGER_DTYPES for x in inputs)


def _costs(op: ops.Op, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Iterator[Cost]:
    match op:
        case ops.Contract():
            # k products and k−1 additions for each output.
            out, terms = outputs[0].elements, summed_size(op, inputs[0].shape)
            yield "mul", out * terms
            yield "macs", out * terms
            yield "add", _joined(out * terms, out)
        case ops.Map(function=name):
            for quantity, each in SCALARS[name].counts.items():
                yield quantity, each * outputs[0].elements  # type: ignore[misc]
        case ops.Reduce(function=name):
            # One operation fewer than there are elements, for each result.
            yield _REDUCTIONS[name], _joined(inputs[0].elements, outputs[0].elements)
        case ops.ArgReduce():
            yield "cmp", _joined(inputs[0].elements, outputs[0].elements)
        case ops.Scan(function=name, axis=axis):
            shape = inputs[0].shape
            yield _REDUCTIONS[name], _joined(inputs[0].elements, product((*shape[:axis], *shape[axis + 1 :])))
        case ops.Fold() | ops.Scatter():
            # Each tap, or each scattered value, is added into zeros.
            yield "add", inputs[0].elements
        case ops.Sort(axis=axis):
            # Comparisons of a merge sort, an estimate: the true number depends on the data.
            yield "cmp", inputs[0].elements * ceil_log2(inputs[0].shape[axis])
        case ops.Random():
            yield "random", outputs[0].elements
        case ops.Algorithm(counts=counts):
            yield from counts.items()  # type: ignore[misc]
        case ops.Move() | ops.Window() | ops.Gather() | ops.Cast() | ops.Constant():
            return
        case ops.Repeat() | ops.Opaque():
            return
        case _:
            assert_never(op)


def _joined(elements: Dim, results: Dim) -> Dim:
    """The operations that join elements into results: one fewer than elements for each, none without elements."""
    is_nothing = elements == 0 if isinstance(elements, int) else getattr(elements, "is_zero", False)
    return 0 if is_nothing else elements - results
