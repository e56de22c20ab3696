"""Operators of one device's library, PyTorch's primitives and collectives, by the general operators they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.frontends.torch.lowerings.operands import (
    cast,
    closed_form,
    lowered_as,
    moved,
    tensor_as,
)
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation

_NO_MORE = {"output_padding": (0,), "transposed": False}
_CONVOLUTION_DEFAULTS = {"stride": (1,), "padding": (0,), "dilation": (1,), "groups": 1}
_SLOW_DEFAULTS = {**_CONVOLUTION_DEFAULTS, **_NO_MORE}
_ALIASES: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {
    "cudnn_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "miopen_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "miopen_depthwise_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "mkldnn_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "_mps_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "cudnn_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "miopen_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "_mps_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "slow_conv_transpose2d": ("convolution", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "slow_conv_transpose3d": ("convolution", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "_slow_conv2d_forward": ("convolution", {"self": "input"}, _SLOW_DEFAULTS),
    "slow_conv3d_forward": ("convolution", {"self": "input"}, _SLOW_DEFAULTS),
    "slow_conv3d": ("convolution", {"self": "input"}, _SLOW_DEFAULTS),
    "thnn_conv2d": ("convolution", {"self": "input"}, _SLOW_DEFAULTS),
    "slow_conv_dilated2d": ("convolution", {"self": "input"}, {"groups": 1, **_NO_MORE}),
    "slow_conv_dilated3d": ("convolution", {"self": "input"}, {"groups": 1, **_NO_MORE}),
    "_nnpack_spatial_convolution": ("convolution", {}, _SLOW_DEFAULTS),
    "mps_convolution_backward": ("convolution_backward", {"self": "input"}, _NO_MORE),
    "mps_convolution_transpose_backward": ("convolution_backward", {"self": "input"}, {**_SLOW_DEFAULTS, "transposed": True}),
    "_triton_scaled_dot_attention": ("scaled_dot_product_attention", {"q": "query", "k": "key", "v": "value"}, {}),
    "_triton_multi_head_attention": ("_native_multi_head_attention", {}, {}),
    "convolution_backward_overrideable": ("convolution_backward", {}, {}),
    "_slow_conv2d_backward": ("convolution_backward", {"self": "input"}, _SLOW_DEFAULTS),
    "cudnn_affine_grid_generator": ("affine_grid_generator", {}, {"align_corners": True}),
    "cudnn_affine_grid_generator_backward": ("affine_grid_generator_backward", {}, {"align_corners": True}),
    "mkldnn_linear": ("linear", {"self": "input"}, {}),
    "mkldnn_max_pool2d": ("max_pool2d", {}, {}),
    "mkldnn_max_pool3d": ("max_pool3d", {}, {}),
    "quantized_max_pool1d": ("max_pool1d", {}, {}),
    "quantized_max_pool2d": ("max_pool2d", {}, {}),
    "quantized_max_pool3d": ("max_pool3d", {}, {}),
    "mkldnn_max_pool2d_backward": ("max_pool2d_with_indices_backward", {"input": "self"}, {}),
    "mkldnn_max_pool3d_backward": ("max_pool3d_with_indices_backward", {"input": "self"}, {}),
    "mkldnn_adaptive_avg_pool2d": ("_adaptive_avg_pool2d", {}, {}),
    "mkldnn_adaptive_avg_pool2d_backward": ("_adaptive_avg_pool2d_backward", {}, {}),
    "adaptive_avg_pool3d_backward": ("_adaptive_avg_pool3d_backward", {}, {}),
    "_cummax_helper": ("cummax", {}, {}),
    "_cummin_helper": ("cummin", {}, {}),
}  # fmt: skip
"""The general operator, arguments with another name there, arguments it needs more."""


def _general(name: str, renamed: Mapping[str, str], more: Mapping[str, Any]) -> Lowering:
    def lower(call: Call) -> Lowered:
        given = {renamed.get(key, key): value for key, value in call.arguments.items()}
        return lowered_as(call, name, {**more, **given})

    return lower


for _name, (_general_name, _renamed, _more) in _ALIASES.items():
    lowers(f"aten::{_name}")(_general(_general_name, _renamed, _more))


@lowers("aten::_conv_depthwise2d", "aten::conv_depthwise3d")
def _depthwise(call: Call) -> Lowered:
    """One group per channel."""
    more = {"groups": call.tensor("self").shape[1], **_NO_MORE}
    return _general("convolution", {"self": "input"}, more)(call)


def _then(name: str, more: Mapping[str, Any]) -> Lowering:
    """Another operator, perhaps a scaled tensor added, then ReLU, or GELU if it says so."""

    def lower(call: Call) -> Tensor:
        b, first = call.builder, "self" if name != "convolution" else "input"
        given = {first if key == "self" else key: value for key, value in call.arguments.items()}
        y = tensor_as(call, name, {**more, **given})
        added = call.get("z")
        if added is not None:
            scale = call.get("alpha", 1)
            y = b.map("add", y, added if scale in (None, 1) else b.map("mul", added, float(scale)))
        return activation(b, "gelu" if call.get("use_gelu", False) else "relu", y)

    return lower


for _vendor in ("cudnn", "miopen"):
    lowers(f"aten::{_vendor}_convolution_relu", f"aten::{_vendor}_convolution_add_relu")(_then("convolution", _NO_MORE))
lowers("aten::_add_relu")(_then("add", {}))
lowers("aten::_addmm_activation")(_then("addmm", {}))


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


for _name in dict.fromkeys((*_SAME.split(), *_OTHER)):
    lowers(f"prims::{_name}")(
        _general(_OTHER.get(_name, _name), {} if _name == "svd" else {**_PLAIN, **_RENAMED.get(_name, {})}, {})
    )


@lowers("prims::convert_element_type", "prims::device_put", "prims::copy_to", "prims::copy_strided")
def _converted(call: Call) -> Lowered:
    x = next(value for value in reversed(list(call.arguments.values())) if hasattr(value, "rank"))
    return cast(call.builder, x, call.dtype)


lowers("prims::cbrt")(closed_form(lambda call: {"pow": call.elements}))
_MOVED = (
    "prims::iota prims::as_strided prims::as_strided_scatter prims::collapse prims::reshape prims::resize prims::shift_left"
    " prims::shift_right_arithmetic prims::xor_sum prims::_make_token prims::frexp"
)
lowers(*_MOVED.split())(moved)
