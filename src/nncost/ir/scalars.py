"""The one table of elementwise functions: value, primitive counts, derivative.

``value(xp, *operands)`` computes on the array namespace that ``execute`` passes in, so this
file imports no arrays. ``counts`` are primitive operations for one element and are proven by
running ``value`` on scalars that count themselves. ``derivatives`` hold, for each operand, a
function that emits the gradient in the same vocabulary, or ``None`` if it is zero wherever it is defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nncost.records import record

if TYPE_CHECKING:
    from nncost.ir.builder import Builder
    from nncost.ir.graph import Tensor

Derivative = Callable[["Builder", "tuple[Tensor, ...]", "Tensor", "Tensor"], "Tensor"]
"""``derivative(builder, operands, output, output_gradient) -> operand_gradient``"""

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)


@record
class ScalarFunction:
    """An elementwise function; ``returns`` overrides the dtype of the result."""

    value: Callable[..., Any]
    counts: Mapping[str, int]
    derivatives: tuple[Derivative | None, ...]
    returns: str | None = None

    @property
    def arity(self) -> int:
        """The number of operands."""
        return len(self.derivatives)


def _unary(value: Callable[..., Any], counts: Mapping[str, int], derivative: Derivative | None) -> ScalarFunction:
    return ScalarFunction(value, counts, (derivative,))


def _comparison(value: Callable[..., Any]) -> ScalarFunction:
    return ScalarFunction(value, {"cmp": 1}, (None, None), returns="bool")


def _choice(name: str) -> ScalarFunction:
    """One of two values by a first operand, in one comparison; the gradient belongs to the value that was chosen."""
    chosen: Derivative = lambda b, x, y, g: b.map(name, x[0], g, 0.0)  # noqa: E731
    other: Derivative = lambda b, x, y, g: b.map(name, x[0], 0.0, g)  # noqa: E731
    return ScalarFunction(lambda xp, *x: getattr(xp, name)(*x), {"cmp": 1}, (None, chosen, other))


def _winner(value: Callable[..., Any], larger: int, smaller: int) -> ScalarFunction:
    """The operand that wins a comparison, where the one at ``larger`` is the larger one; the first wins a draw."""
    first: Derivative = lambda b, x, y, g: b.map("select", b.map("greater_equal", x[larger], x[smaller]), g, 0.0)  # noqa: E731
    second: Derivative = lambda b, x, y, g: b.map("select", b.map("greater", x[smaller], x[larger]), g, 0.0)  # noqa: E731
    return ScalarFunction(value, {"cmp": 1}, (first, second))


def _left_over(value: Callable[..., Any], rounding: str) -> ScalarFunction:
    """What a division leaves over; the gradient of the divisor is minus the rounded quotient's share."""
    divisor: Derivative = lambda b, x, y, g: b.map(  # noqa: E731
        "neg", b.map("mul", g, b.map(rounding, b.map("div", x[0], x[1])))
    )
    return ScalarFunction(value, {"div": 1, "mul": 1, "add": 1}, (lambda b, x, y, g: g, divisor))


def _sigmoid_derivative(b: Builder, _: tuple[Tensor, ...], y: Tensor, g: Tensor) -> Tensor:
    """s' = s·(1−s). Miniature: s=0.7, g=2 gives 0.7·0.3=0.21, then 0.42: two products, one subtraction."""
    return b.map("mul", g, b.map("mul", y, b.map("sub", 1.0, y)))


def _tanh_derivative(b: Builder, _: tuple[Tensor, ...], y: Tensor, g: Tensor) -> Tensor:
    """t' = 1−t². Miniature: t=0.5, g=2 gives 0.25, 0.75, then 1.5: two products, one subtraction."""
    return b.map("mul", g, b.map("sub", 1.0, b.map("square", y)))


def _erf_derivative(b: Builder, x: tuple[Tensor, ...], _: Tensor, g: Tensor) -> Tensor:
    """erf'(x) = 2/√π · e^(−x²)."""
    bell = b.map("exp", b.map("neg", b.map("square", x[0])))
    return b.map("mul", g, b.map("mul", TWO_OVER_SQRT_PI, bell))


def _arc_tangent_derivative(b: Builder, x: tuple[Tensor, ...], _: Tensor, g: Tensor) -> Tensor:
    """atan'(x) = 1/(1 + x²). Miniature: x=1, g=3 gives 1 + 1 = 2, then 3/2: one square, one sum, one quotient."""
    return b.map("div", g, b.map("add", 1.0, b.map("square", x[0])))


def _over_squares(b: Builder, x: tuple[Tensor, ...], product: Tensor) -> Tensor:
    """``product``/(y² + x²), as both derivatives of atan2(y, x) need it."""
    return b.map("div", product, b.map("add", b.map("square", x[0]), b.map("square", x[1])))


def _atan2_ordinate_derivative(b: Builder, x: tuple[Tensor, ...], _: Tensor, g: Tensor) -> Tensor:
    """∂atan2(y, x)/∂y = x/(y² + x²)."""
    return _over_squares(b, x, b.map("mul", g, x[1]))


def _atan2_abscissa_derivative(b: Builder, x: tuple[Tensor, ...], _: Tensor, g: Tensor) -> Tensor:
    """∂atan2(y, x)/∂x = −y/(y² + x²)."""
    return b.map("neg", _over_squares(b, x, b.map("mul", g, x[0])))


def _pow_base_derivative(b: Builder, x: tuple[Tensor, ...], _: Tensor, g: Tensor) -> Tensor:
    """∂(x^e)/∂x = e·x^(e−1)."""
    exponent = b.map("sub", x[1], 1.0)
    return b.map("mul", g, b.map("mul", x[1], b.map("pow", x[0], exponent)))


def _pow_exponent_derivative(b: Builder, x: tuple[Tensor, ...], y: Tensor, g: Tensor) -> Tensor:
    """∂(x^e)/∂e = x^e·log x."""
    return b.map("mul", g, b.map("mul", y, b.map("log", x[0])))


def _divisor_derivative(b: Builder, x: tuple[Tensor, ...], y: Tensor, g: Tensor) -> Tensor:
    """∂(a/c)/∂c = −(a/c)/c, with the quotient that is already there."""
    return b.map("neg", b.map("div", b.map("mul", g, y), x[1]))


SCALARS: Mapping[str, ScalarFunction] = {
    # Arithmetic. Subtraction counts as an addition; negation, absolute value, sign and rounding are free by rule.
    "add": ScalarFunction(lambda xp, a, c: a + c, {"add": 1}, (lambda b, x, y, g: g, lambda b, x, y, g: g)),
    "sub": ScalarFunction(
        lambda xp, a, c: a - c, {"add": 1}, (lambda b, x, y, g: g, lambda b, x, y, g: b.map("neg", g))
    ),
    "mul": ScalarFunction(
        lambda xp, a, c: a * c,
        {"mul": 1},
        (lambda b, x, y, g: b.map("mul", g, x[1]), lambda b, x, y, g: b.map("mul", g, x[0])),
    ),
    "div": ScalarFunction(
        lambda xp, a, c: a / c, {"div": 1}, (lambda b, x, y, g: b.map("div", g, x[1]), _divisor_derivative)
    ),
    "square": _unary(lambda xp, a: a * a, {"mul": 1}, lambda b, x, y, g: b.map("mul", g, b.map("mul", 2.0, x[0]))),
    "neg": _unary(lambda xp, a: -a, {}, lambda b, x, y, g: b.map("neg", g)),
    "abs": _unary(lambda xp, a: xp.absolute(a), {}, lambda b, x, y, g: b.map("mul", g, b.map("sign", x[0]))),
    "sign": _unary(lambda xp, a: xp.sign(a), {}, None),
    "floor": _unary(lambda xp, a: xp.floor(a), {}, None),
    "ceil": _unary(lambda xp, a: xp.ceil(a), {}, None),
    "trunc": _unary(lambda xp, a: xp.trunc(a), {}, None),
    "round": _unary(lambda xp, a: xp.rint(a), {}, None),
    "identity": _unary(lambda xp, a: a, {}, lambda b, x, y, g: g),
    "sqrt": _unary(lambda xp, a: xp.sqrt(a), {"sqrt": 1}, lambda b, x, y, g: b.map("div", g, b.map("mul", 2.0, y))),
    # Elementary functions count as one of their kind.
    "exp": _unary(lambda xp, a: xp.exp(a), {"exp": 1}, lambda b, x, y, g: b.map("mul", g, y)),
    "log": _unary(lambda xp, a: xp.log(a), {"log": 1}, lambda b, x, y, g: b.map("div", g, x[0])),
    "tanh": _unary(lambda xp, a: xp.tanh(a), {"tanh": 1}, _tanh_derivative),
    "sigmoid": _unary(lambda xp, a: xp.sigmoid(a), {"sigmoid": 1}, _sigmoid_derivative),
    "erf": _unary(lambda xp, a: xp.erf(a), {"erf": 1}, _erf_derivative),
    "sin": _unary(lambda xp, a: xp.sin(a), {"sin": 1}, lambda b, x, y, g: b.map("mul", g, b.map("cos", x[0]))),
    "cos": _unary(
        lambda xp, a: xp.cos(a), {"cos": 1}, lambda b, x, y, g: b.map("neg", b.map("mul", g, b.map("sin", x[0])))
    ),
    "atan": _unary(lambda xp, a: xp.arctan(a), {"atan": 1}, _arc_tangent_derivative),
    # The angle of the point (c, a): an arc tangent of the quotient, in its quadrant.
    "atan2": ScalarFunction(
        lambda xp, a, c: xp.arctan2(a, c), {"atan": 1}, (_atan2_ordinate_derivative, _atan2_abscissa_derivative)
    ),
    "pow": ScalarFunction(
        lambda xp, a, c: xp.power(a, c), {"pow": 1}, (_pow_base_derivative, _pow_exponent_derivative)
    ),
    # Comparisons and selections: one cmp each. relu(x) = max(x, 0) is one, its derivative another.
    "max": _winner(lambda xp, a, c: xp.maximum(a, c), 0, 1),
    "min": _winner(lambda xp, a, c: xp.minimum(a, c), 1, 0),
    "relu": _unary(
        lambda xp, a: xp.maximum(a, 0 if a.dtype.kind in "iu" else 0.0),
        {"cmp": 1},
        lambda b, x, y, g: b.map("where_positive", y, g, 0.0),
    ),
    "greater": _comparison(lambda xp, a, c: xp.greater(a, c)),
    "greater_equal": _comparison(lambda xp, a, c: xp.greater_equal(a, c)),
    "equal": _comparison(lambda xp, a, c: xp.equal(a, c)),
    "not_equal": _comparison(lambda xp, a, c: xp.not_equal(a, c)),
    # Operations on bits are free by rule.
    "and": ScalarFunction(lambda xp, a, c: a & c, {}, (None, None)),
    "or": ScalarFunction(lambda xp, a, c: a | c, {}, (None, None)),
    "xor": ScalarFunction(lambda xp, a, c: a ^ c, {}, (None, None)),
    "not": _unary(lambda xp, a: ~a, {}, None),
    "shift_left": ScalarFunction(lambda xp, a, c: a << c, {}, (None, None)),
    "shift_right": ScalarFunction(lambda xp, a, c: a >> c, {}, (None, None)),
    # Quotients of whole numbers, cut towards zero or rounded down.
    "quotient": ScalarFunction(lambda xp, a, c: xp.quotient(a, c), {"div": 1}, (None, None)),
    "floor_quotient": ScalarFunction(lambda xp, a, c: xp.floor_quotient(a, c), {"div": 1}, (None, None)),
    # x − y·⌊x/y⌋, or cut towards zero: a quotient, a product, a difference.
    "remainder": _left_over(lambda xp, a, c: xp.remainder(a, c), "floor"),
    "cut_remainder": _left_over(lambda xp, a, c: xp.cut_remainder(a, c), "trunc"),
    "select": _choice("select"),
    # x > 0 ? a : c in one comparison: the derivative of relu and its relatives.
    "where_positive": _choice("where_positive"),
    # min(max(x, low), high); the gradient belongs to x where low < x < high, otherwise to the bound that is reached.
    "clip": ScalarFunction(
        lambda xp, x, low, high: xp.minimum(xp.maximum(x, low), high),
        {"cmp": 2},
        (
            lambda b, x, y, g: b.map("where_between", x[0], x[1], x[2], g),
            lambda b, x, y, g: b.map("select", b.map("greater", x[1], x[0]), g, 0.0),
            lambda b, x, y, g: b.map("select", b.map("greater", x[0], x[2]), g, 0.0),
        ),
    ),
    "where_between": ScalarFunction(
        lambda xp, x, low, high, a: xp.where_between(x, low, high, a),
        {"cmp": 2},
        (None, None, None, lambda b, x, y, g: b.map("where_between", x[0], x[1], x[2], g)),
    ),
}
