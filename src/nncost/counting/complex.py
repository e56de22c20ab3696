"""Complex arithmetic in real operations: a product is 4 mul and 2 add, a sum 2 add.

A number of a complex tensor times a real one is 2 mul, plus a real one 1 add. Everything follows from
(a+bi)(c+di) = (ac−bd) + (ad+bc)i and |z|² = a² + b².
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nncost.counting.quantities import Quantity
from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.graph import Tensor

Each = Mapping[Quantity, int]
_PRODUCT: Each = {"mul": 4, "add": 2}
_QUOTIENT: Each = {"mul": 6, "add": 3, "div": 2}
"""z/w = z·w̄/|w|²: a product, |w|² (2 mul, 1 add) and two divisions."""
_REAL_OVER_COMPLEX: Each = {"mul": 4, "add": 1, "div": 2}
"""r/w = r·w̄/|w|²: 2 mul, |w|² and two divisions."""
_HYPERBOLIC: Each = {"sin": 1, "cos": 1, "exp": 1, "div": 1, "add": 2, "mul": 4}
"""sin(a+bi) = sin a·cosh b + i·cos a·sinh b, with cosh b = (e^b + 1/e^b)/2 and sinh b likewise."""

_FUNCTIONS: Mapping[str, Each] = {
    "abs": {"mul": 2, "add": 1, "sqrt": 1},
    "sign": {"mul": 2, "add": 1, "sqrt": 1, "div": 2},  # z/|z|
    "exp": {"exp": 1, "sin": 1, "cos": 1, "mul": 2},  # e^a·(cos b + i·sin b)
    "log": {"mul": 3, "add": 1, "log": 1, "atan": 1},  # ½·log(a² + b²) + i·arg z, an arc tangent
    "sqrt": {"mul": 4, "add": 3, "sqrt": 3},  # √(½(|z| + a)) ± i·√(½(|z| − a))
    "square": _PRODUCT,
    "sin": _HYPERBOLIC,
    "cos": _HYPERBOLIC,
    "tanh": {"mul": 10, "add": 5, "div": 2, "exp": 1, "sin": 1, "cos": 1},  # (w − 1)/(w + 1) with w = e^(2z)
    "sigmoid": {"mul": 4, "add": 2, "div": 2, "exp": 1, "sin": 1, "cos": 1},  # 1/(1 + e^−z) = w̄/|w|²
    "pow": {"mul": 9, "add": 3, "log": 1, "exp": 1, "sin": 1, "cos": 1, "atan": 1},  # e^(w·log z)
    "select": {"cmp": 1},
    "equal": {"cmp": 2},
    "not_equal": {"cmp": 2},
}


def complex_costs(
    op: ops.Op, inputs: Sequence[Tensor], outputs: Sequence[Tensor], real: Iterable[tuple[Quantity, Dim]]
) -> Iterator[tuple[Quantity, Dim]]:
    """The primitive operations of a node on complex numbers, given those of the same node on real ones."""
    if isinstance(op, ops.Algorithm):
        yield from real
        return
    if isinstance(op, ops.Map) and op.function in _FUNCTIONS:
        yield from _times(_FUNCTIONS[op.function], outputs[0].elements)
        return
    mixed = any(not _is_complex(tensor) for tensor in inputs)
    for quantity, amount in real:
        match quantity:
            case "mul":
                yield from _times({"mul": 2} if mixed else _PRODUCT, amount)
            case "macs":
                yield quantity, (2 if mixed else 4) * amount
            case "div":
                yield from _times(_quotient(inputs), amount)
            case "add":
                yield quantity, (1 if mixed and isinstance(op, ops.Map) else 2) * amount
            case _:
                yield quantity, amount


def _quotient(inputs: Sequence[Tensor]) -> Each:
    if _is_complex(inputs[1]):
        return _QUOTIENT if _is_complex(inputs[0]) else _REAL_OVER_COMPLEX
    return {"div": 2}


def _is_complex(tensor: Tensor) -> bool:
    return tensor.dtype.startswith("complex")


def _times(each: Each, amount: Dim) -> Iterator[tuple[Quantity, Dim]]:
    for quantity, number in each.items():
        yield quantity, number * amount
