"""PyTorch's primitive operators, which its decompositions are written in, by the operators they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.frontends.torch.lowerings.operands import algorithm, cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers

_SAME = (
    "abs acos acosh amax amin asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor cat ceil clone"
    " conj_physical cos cosh digamma div empty empty_permuted empty_strided eq erf erfc exp exp2 expm1 fill floor fmax fmin"
    " fmod full full_like ge gt hypot igamma igammac isfinite le lgamma log log10 log1p log2 lt maximum minimum mul ne neg"
    " nextafter normal pow prod reciprocal remainder round rsqrt scalar_tensor sign sin sinh sqrt sub sum tan tanh trunc"
    " uniform add where svd"
)
_OTHER: Mapping[str, str] = {
    "bessel_i0": "i0", "bessel_i0e": "special_i0e", "bessel_i1": "special_i1", "bessel_i1e": "special_i1e",
    "bessel_j0": "special_bessel_j0", "bessel_j1": "special_bessel_j1", "erf_inv": "erfinv", "erfcx": "special_erfcx",
    "ndtri": "special_ndtri", "spherical_bessel_j0": "special_spherical_bessel_j0", "zeta": "special_zeta",
    "svd": "_linalg_svd", "fft_c2c": "_fft_c2c", "fft_r2c": "_fft_r2c", "fft_c2r": "_fft_c2r", "rev": "flip", "var": "var", "gcd": "gcd", "signbit": "signbit",
}  # fmt: skip
_RENAMED: Mapping[str, Mapping[str, str]] = {
    **{name: {"inp": "self", "dims": "dim"} for name in ("amax", "amin", "sum", "prod", "var")},
    "rev": {"a": "self"}, "pow": {"other": "exponent"}, "where": {"pred": "condition", "a": "self", "b": "other"},
    "cat": {}, "full": {}, "full_like": {"a": "self"}, "fill": {"a": "self"}, "svd": {},
}  # fmt: skip
_PLAIN = {"self": "self", "a": "self", "b": "other", "x": "self", "input": "self"}


def _by(name: str, other: str) -> Callable[[Call], Lowered]:
    renamed = {**_PLAIN, **_RENAMED.get(name, {})} if name != "svd" else {}

    def lower(call: Call) -> Lowered:
        lowering = lowering_for(f"aten::{other}", "")
        if lowering is None:
            raise NotImplementedError(other)
        given = {renamed.get(key, key): value for key, value in call.arguments.items()}
        return lowering(Call(call.builder, f"aten::{other}", "", given, call.outputs, call.parameters))

    return lower


for _name in dict.fromkeys((*_SAME.split(), *_OTHER)):
    lowers(f"prims::{_name}")(_by(_name, _OTHER.get(_name, _name)))


@lowers("prims::convert_element_type", "prims::device_put", "prims::copy_to", "prims::copy_strided")
def _converted(call: Call) -> Lowered:
    x = next(value for value in reversed(list(call.arguments.values())) if hasattr(value, "rank"))
    return cast(call.builder, x, call.dtype)


@lowers("prims::iota", "prims::as_strided", "prims::as_strided_scatter", "prims::collapse", "prims::reshape",
        "prims::resize", "prims::shift_left", "prims::shift_right_arithmetic", "prims::xor_sum", "prims::_make_token",
        "prims::frexp")  # fmt: skip
def _moved(call: Call) -> Lowered:
    """Bits, moves and numbers without data: free."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) != 1 else outputs[0]
