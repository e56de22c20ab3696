"""Functions beyond the elementary ones: in primitives where they have a short form, else as one of their kind."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nncost.frontends.torch.lowerings.operands import algorithm, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor


@lowers("aten::sinh", "aten::cosh")
def _hyperbolic(call: Call) -> Tensor:
    """(e^x ∓ 1/e^x)/2."""
    power = elementwise(call, "exp", call["self"])
    sign = "sub" if call.name == "aten::sinh" else "add"
    return elementwise(call, "mul", elementwise(call, sign, power, elementwise(call, "div", 1.0, power)), 0.5)


@lowers("aten::asinh", "aten::acosh")
def _area(call: Call) -> Tensor:
    """Log(x + √(x² ± 1))."""
    sign = "add" if call.name == "aten::asinh" else "sub"
    root = elementwise(call, "sqrt", elementwise(call, sign, elementwise(call, "square", call["self"]), 1.0))
    return elementwise(call, "log", elementwise(call, "add", call["self"], root))


@lowers("aten::atanh")
def _area_tangent(call: Call) -> Tensor:
    """½·log((1 + x)/(1 − x))."""
    x = call["self"]
    quotient = elementwise(call, "div", elementwise(call, "add", 1.0, x), elementwise(call, "sub", 1.0, x))
    return elementwise(call, "mul", elementwise(call, "log", quotient), 0.5)


@lowers("aten::erfc", "aten::special_erfc")
def _erfc(call: Call) -> Tensor:
    return elementwise(call, "sub", 1.0, elementwise(call, "erf", call["self"]))


@lowers("aten::logit", "aten::special_logit")
def _logit(call: Call) -> Tensor:
    """Log(x/(1 − x)); kept away from 0 and 1 where a distance is given (2 cmp)."""
    x, distance = call["self"], call.get("eps")
    if distance is not None:
        x = elementwise(call, "clip", x, distance, 1 - distance)
    return elementwise(call, "log", elementwise(call, "div", x, elementwise(call, "sub", 1.0, x)))


@lowers("aten::logit_backward")
def _logit_backward(call: Call) -> Tensor:
    """g/(x·(1 − x)), nothing where x was kept away."""
    x, distance = call["self"], call.get("eps")
    slope = elementwise(call, "mul", x, elementwise(call, "sub", 1.0, x))
    g = elementwise(call, "div", call["grad_output"], slope)
    return g if distance is None else elementwise(call, "where_between", x, distance, 1 - distance, g)


@lowers("aten::hypot")
def _hypotenuse(call: Call) -> Tensor:
    squares = [elementwise(call, "square", call[name]) for name in ("self", "other")]
    return elementwise(call, "sqrt", elementwise(call, "add", *squares))


@lowers("aten::sinc", "aten::special_sinc")
def _sinc(call: Call) -> Tensor:
    """sin(πx)/(πx), and 1 at zero: 1 mul, 1 sin, 1 div, 2 cmp."""
    b, angle = call.builder, elementwise(call, "mul", call["self"], math.pi)
    at_zero = b.map("equal", angle, 0.0)
    quotient = elementwise(call, "div", elementwise(call, "sin", angle), angle)
    return b.map("select", at_zero, 1.0, quotient)


_KINDS: Mapping[str, str] = {
    "atan": "sin", "atan2": "sin", "asin": "sin", "acos": "cos", "angle": "sin", "erfinv": "erf", "special_erfinv": "erf",
    "special_erfcx": "erf", "special_log_ndtr": "erf", "special_ndtri": "erf", "lgamma": "log", "digamma": "log",
    "polygamma": "log", "mvlgamma": "log", "special_zeta": "pow", "igamma": "exp", "igammac": "exp",
    "i0": "exp", "special_i0": "exp", "special_i0e": "exp", "special_i1": "exp", "special_i1e": "exp",
    "special_modified_bessel_i0": "exp", "special_modified_bessel_i1": "exp", "special_modified_bessel_k0": "exp",
    "special_modified_bessel_k1": "exp", "special_scaled_modified_bessel_k0": "exp",
    "special_scaled_modified_bessel_k1": "exp", "special_airy_ai": "sin", "special_bessel_j0": "sin",
    "special_bessel_j1": "sin", "special_bessel_y0": "sin", "special_bessel_y1": "sin", "special_spherical_bessel_j0": "sin",
}  # fmt: skip
"""Which kind of elementary function stands for another."""


@lowers(*(f"aten::{name}" for name in _KINDS))
def _one_of_its_kind(call: Call) -> Lowered:
    kind = _KINDS[call.name.removeprefix("aten::")]
    note = "" if kind in ("sin", "cos") and "special" not in call.name else "estimated"
    return algorithm(call, {kind: Tensor(*call.outputs[0]).elements}, note=note)[0]


_POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip


@lowers(*(f"aten::special_{name}" for name in _POLYNOMIALS))
def _polynomial(call: Call) -> Lowered:
    """The recurrence p₍ₖ₊₁₎ = a·x·pₖ − c·p₍ₖ₋₁₎: 2 mul and 1 add for each degree; a degree that is data counts as one."""
    degree = call["n"]
    amount = Tensor(*call.outputs[0]).elements * (int(degree) if isinstance(degree, (int, float)) else 1)
    return algorithm(call, {"mul": 2 * amount, "add": amount}, note="estimated")[0]


@lowers("aten::nextafter", "aten::__lshift__", "aten::__rshift__", "aten::bitwise_left_shift", "aten::bitwise_right_shift",
        "aten::__ilshift__", "aten::__irshift__", "aten::hash_tensor")  # fmt: skip
def _bits(call: Call) -> Lowered:
    """Operations on bits are free by rule."""
    return algorithm(call, {})[0]
