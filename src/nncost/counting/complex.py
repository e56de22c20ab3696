"""Complex arithmetic in real operations: a product is 4 mul and 2 add, a sum 2 add.

A number of a complex tensor times a real one is 2 mul. Everything follows from (a+bi)(c+di) =
(ac−bd) + (ad+bc)i and |z|² = a² + b².
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nncost.counting.quantities import Quantity
from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.graph import Tensor

_FUNCTIONS: Mapping[str, Mapping[Quantity, int]] = {
    "abs": {"mul": 2, "add": 1, "sqrt": 1},
    "exp": {"exp": 1, "sin": 1, "cos": 1, "mul": 2},
    "square": {"mul": 4, "add": 2},
    "sign": {"mul": 2, "add": 1, "sqrt": 1, "div": 2},
    "select": {"cmp": 1},
}
"""e^(a+bi) = e^a(cos b + i·sin b); z/|z| for the sign."""
_BOTH_PARTS: Mapping[Quantity, int] = {"add": 2}
_PRODUCT: Mapping[Quantity, int] = {"mul": 4, "add": 2}
_QUOTIENT: Mapping[Quantity, int] = {"mul": 6, "add": 3, "div": 2}
"""z/w = z·w̄/|w|²: a product, |w|² (2 mul, 1 add) and two divisions."""


def complex_costs(
    op: ops.Op, inputs: Sequence[Tensor], outputs: Sequence[Tensor], real: Iterable[tuple[Quantity, Dim]]
) -> Iterator[tuple[Quantity, Dim]]:
    """The primitive operations of a node on complex numbers, given those of the same node on real ones."""
    if isinstance(op, ops.Algorithm):
        yield from real
        return
    if isinstance(op, ops.Map) and op.function in _FUNCTIONS:
        for quantity, each in _FUNCTIONS[op.function].items():
            yield quantity, each * outputs[0].elements
        return
    mixed = any(not tensor.dtype.startswith("complex") for tensor in inputs)
    for quantity, amount in real:
        if quantity == "mul":
            yield from ((q, each * amount) for q, each in ({"mul": 2} if mixed else _PRODUCT).items())  # type: ignore[misc, attr-defined]
        elif quantity == "macs":
            yield quantity, (2 if mixed else 4) * amount
        elif quantity == "div":
            yield from ((q, each * amount) for q, each in ({"div": 2} if mixed else _QUOTIENT).items())  # type: ignore[misc, attr-defined]
        else:
            yield quantity, _BOTH_PARTS.get(quantity, 1) * amount
