"""Functions of a few elementary ones, as PyTorch documents them; those without a short form count as one of a kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from nncost.frontends.torch.lowerings.operands import (
    algorithm,
    binary,
    closed_form,
    elementwise,
    typed,
    unary,
)
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library import special
from nncost.ir.library.counts import scaled
from nncost.ir.library.elementwise import COMPOSED, composed
from nncost.ir.library.reductions import vector_norm
from nncost.ir.library.shuffles import diagonal


def _composed(name: str) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        if name in ("asin", "acos") and call.dtype.startswith("complex"):
            return _one_of_a_kind(call, "atan", estimated=True)
        return composed(call.builder, name, typed(call, "self"))

    return lower


for _name in COMPOSED:
    lowers(f"aten::{_name}")(_composed(_name))


@lowers("aten::atan")
def _atan(call: Call) -> Lowered:
    if call.dtype.startswith("complex"):
        return _one_of_a_kind(call, "atan", estimated=True)
    return elementwise(call, "atan", call["self"])


lowers("aten::atan2")(binary(lambda b, x, y: b.map("atan2", x, y)))


@lowers("aten::angle")
def _angle(call: Call) -> Lowered:
    """The arc tangent of both parts; of a real number 0, or π if it is negative (1 cmp)."""
    x = call.tensor("self")
    if x.dtype.startswith("complex"):
        return _one_of_a_kind(call, "atan")
    return elementwise(call, "where_positive", call.builder.map("neg", x), math.pi, 0.0)


lowers("aten::erfc", "aten::special_erfc")(unary(special.erfc))
lowers("aten::logit", "aten::special_logit")(unary(special.logit, "eps"))
lowers("aten::sinc", "aten::special_sinc")(unary(special.sinc))
lowers("aten::special_entr")(unary(special.entr))
lowers("aten::deg2rad")(unary(lambda b, x: b.map("mul", x, math.pi / 180)))
lowers("aten::rad2deg")(unary(lambda b, x: b.map("mul", x, 180 / math.pi)))
lowers("aten::hypot")(binary(special.hypot))
lowers("aten::copysign")(binary(special.copysign))
lowers("aten::heaviside")(binary(special.heaviside, "values"))
lowers("aten::ldexp")(binary(special.ldexp))
lowers("aten::xlogy")(binary(special.xlogy))
lowers("aten::special_xlog1py")(binary(special.xlog1py))
lowers("aten::logaddexp")(binary(special.logaddexp))
lowers("aten::logaddexp2")(binary(lambda b, x, y: special.logaddexp(b, x, y, 2)))


@lowers("aten::logit_backward")
def _logit_backward(call: Call) -> Tensor:
    return special.logit_gradient(call.builder, typed(call, "self"), typed(call, "grad_output"), call.get("eps"))


_KINDS: Mapping[str, str] = {
    "erfinv": "erf", "special_erfinv": "erf", "special_erfcx": "erf", "special_log_ndtr": "erf", "special_ndtri": "erf", "lgamma": "log", "digamma": "log",
    "polygamma": "log", "mvlgamma": "log", "special_zeta": "pow", "igamma": "exp", "igammac": "exp",
    "i0": "exp", "special_i0": "exp", "special_i0e": "exp", "special_i1": "exp", "special_i1e": "exp",
    "special_modified_bessel_i0": "exp", "special_modified_bessel_i1": "exp", "special_modified_bessel_k0": "exp",
    "special_modified_bessel_k1": "exp", "special_scaled_modified_bessel_k0": "exp",
    "special_scaled_modified_bessel_k1": "exp", "special_airy_ai": "sin", "special_bessel_j0": "sin",
    "special_bessel_j1": "sin", "special_bessel_y0": "sin", "special_bessel_y1": "sin", "special_spherical_bessel_j0": "sin",
}  # fmt: skip
"""Which kind of elementary function stands for another."""


@lowers(*(f"aten::{name}" for name in _KINDS))
def _of_another_kind(call: Call) -> Lowered:
    return _one_of_a_kind(call, _KINDS[call.name.removeprefix("aten::")], estimated=True)


def _one_of_a_kind(call: Call, kind: str, *, estimated: bool = False) -> Lowered:
    return algorithm(call, {kind: call.elements}, estimated=estimated)[0]


_POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip


@lowers(*(f"aten::special_{name}" for name in _POLYNOMIALS))
def _polynomial(call: Call) -> Lowered:
    """The recurrence p₍ₖ₊₁₎ = a·x·pₖ − c·p₍ₖ₋₁₎: 2 mul and 1 add per degree; a degree that is data counts as one."""
    degree = call["n"]
    amount = call.elements * (int(degree) if isinstance(degree, (int, float)) else 1)
    return algorithm(call, {"mul": 2 * amount, "add": amount}, estimated=True)[0]


@lowers("aten::nan_to_num")
def _nan_to_num(call: Call) -> Tensor:
    """What is no number, or infinite, is replaced: each takes 2 cmp."""
    b, x = call.builder, call.tensor("self")
    largest = {"float16": 65504.0, "float32": 3.4028234663852886e38}.get(x.dtype, 1.7976931348623157e308)
    high, low = call.get("posinf", largest), call.get("neginf", -largest)
    return special.nan_to_num(b, x, float(call.get("nan", 0.0)), float(high), float(low))


@lowers("aten::dist")
def _dist(call: Call) -> Tensor:
    """The norm of a difference."""
    difference = elementwise(call, "sub", call["self"], call["other"])
    return vector_norm(call.builder, difference, float(call.get("p", 2)), range(difference.rank))


@lowers("aten::linalg_cross")
def _cross(call: Call) -> Tensor:
    shape = call.shape
    x, y = (call.builder.broadcast(typed(call, name), shape) for name in ("self", "other"))
    return special.cross(call.builder, x, y, call.get("dim", -1) % len(shape))


@lowers("aten::renorm")
def _renorm(call: Call) -> Tensor:
    x = call.tensor("self")
    axes = [axis for axis in range(x.rank) if axis != call["dim"] % x.rank]
    return special.renorm(call.builder, x, float(call["p"]), axes, float(call["maxnorm"]))


# Euclid's algorithm: a remainder per step, some ten of them; for the multiple a product and a quotient.
lowers("aten::gcd")(closed_form(lambda call: {"int_ops": 10 * call.elements}, estimated=True))
lowers("aten::lcm")(closed_form(lambda call: {"int_ops": 12 * call.elements}, estimated=True))
# r·(cos φ + i·sin φ)
lowers("aten::polar")(closed_form(lambda call: scaled({"sin": 1, "cos": 1, "mul": 2}, call.elements)))


@lowers("aten::trace")
def _trace(call: Call) -> Tensor:
    return call.builder.reduce("sum", diagonal(call.builder, call.tensor("self")), [0])
