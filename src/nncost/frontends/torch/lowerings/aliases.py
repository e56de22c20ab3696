"""Operators of one device's library, PyTorch's primitives and collectives, by the general operators they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.frontends.torch.lowerings.operands import algorithm, cast, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation
from nncost.ir.library.conv import conv

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
    "mkldnn_max_pool2d_backward": ("max_pool2d_backward", {"input": "self"}, {}),
    "mkldnn_max_pool3d_backward": ("max_pool2d_backward", {"input": "self"}, {}),
    "mkldnn_adaptive_avg_pool2d": ("_adaptive_avg_pool2d", {}, {}),
    "mkldnn_adaptive_avg_pool2d_backward": ("_adaptive_avg_pool2d_backward", {}, {}),
    "adaptive_avg_pool3d_backward": ("_adaptive_avg_pool3d_backward", {}, {}),
    "_cummax_helper": ("cummax", {}, {}),
    "_cummin_helper": ("cummin", {}, {}),
}  # fmt: skip
"""The general operator, arguments with another name there, arguments it needs more."""


def _general(name: str, renamed: Mapping[str, str], more: Mapping[str, Any]) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        lowering = lowering_for(f"aten::{name}", "")
        if lowering is None:
            raise NotImplementedError(name)
        given = {renamed.get(key, key): value for key, value in call.arguments.items()}
        return lowering(Call(call.builder, f"aten::{name}", "", {**more, **given}, call.outputs, call.parameters))

    return lower


for _name, (_general_name, _renamed, _more) in _ALIASES.items():
    lowers(f"aten::{_name}")(_general(_general_name, _renamed, _more))


@lowers("aten::_conv_depthwise2d", "aten::conv_depthwise3d")
def _depthwise(call: Call) -> Lowered:
    """One group for each channel."""
    more = {"groups": call.tensor("self").shape[1], **_NO_MORE}
    return _general("convolution", {"self": "input"}, more)(call)


@lowers("aten::cudnn_convolution_relu", "aten::cudnn_convolution_add_relu", "aten::miopen_convolution_relu",
        "aten::miopen_convolution_add_relu")  # fmt: skip
def _with_relu(call: Call) -> Tensor:
    """A convolution, perhaps a scaled tensor added, and ReLU."""
    b = call.builder
    y = _general("convolution", {"self": "input"}, _NO_MORE)(call)
    assert isinstance(y, Tensor)
    added = call.get("z")
    if added is not None:
        scale = call.get("alpha", 1)
        y = b.map("add", y, added if scale in (None, 1) else b.map("mul", added, float(scale)))
    with b.region("relu", y, activations=y.elements) as region:
        region.returns(b.map("relu", y))
    return region.outputs[0]


@lowers("aten::_add_relu", "aten::_addmm_activation")
def _sum_with_relu(call: Call) -> Tensor:
    """A sum (of a product, perhaps), then ReLU, or GELU where it says so."""
    b = call.builder
    name = "add" if call.name == "aten::_add_relu" else "addmm"
    y = _general(name, {}, {})(call)
    assert isinstance(y, Tensor)
    kind = "gelu" if call.get("use_gelu", False) else "relu"
    return activation(b, kind, y)


@lowers("aten::conv_tbc")
def _conv_tbc(call: Call) -> Tensor:
    """A convolution whose axes are time, batch, channels; the weight's are taps, in, out."""
    b, width = call.builder, call.get("pad", 0)
    x, weight = b.transpose(call.tensor("self"), (1, 2, 0)), b.transpose(call.tensor("weight"), (2, 1, 0))
    y = conv(b, x, weight, call.get("bias"), stride=(1,), padding=[(width, width)], dilation=(1,))
    return b.transpose(y, (2, 0, 1))


@lowers("aten::linear_backward", "aten::mkldnn_linear_backward")
def _linear_backward(call: Call) -> Lowered:
    """The gradients of input, weight and bias, where they are asked for."""
    b, g, weight = call.builder, call.tensor("grad_output"), call.tensor("weight")
    x = call["self"] if "self" in call.arguments else call["input"]
    letters = "abcdefghijklmnopqrstuvw"[: x.rank - 1]
    want = [bool(flag) for flag in call["output_mask"]]
    return (
        b.contract(f"{letters}y,yz->{letters}z", g, weight) if want[0] else None,
        b.contract(f"{letters}y,{letters}z->yz", g, x) if want[1] else None,
        b.reduce("sum", g, range(g.rank - 1)) if want[2] else None,
    )


@lowers("aten::mkldnn_linear_backward_input")
def _linear_backward_input(call: Call) -> Tensor:
    g = call.tensor("grad_output")
    letters = "abcdefghijklmnopqrstuvw"[: g.rank - 1]
    return call.builder.contract(f"{letters}y,yz->{letters}z", g, call.tensor("weight"))


@lowers("aten::mkldnn_linear_backward_weights")
def _linear_backward_weights(call: Call) -> Lowered:
    b, g, x = call.builder, call.tensor("grad_output"), call.tensor("input")
    letters = "abcdefghijklmnopqrstuvw"[: g.rank - 1]
    weight = b.contract(f"{letters}y,{letters}z->yz", g, x)
    return weight, b.reduce("sum", g, range(g.rank - 1)) if call.get("bias_defined", True) else None


def _packed_linear(call: Call) -> Lowered:
    """A product with a weight in a library's own layout: its shape follows from those of input and output."""
    b = call.builder
    x = next(value for value in call.arguments.values() if isinstance(value, Tensor))
    weight = Tensor((call.outputs[0][0][-1], x.shape[-1]), x.dtype)
    b.inputs.append(weight)
    letters = "abcdefghijklmnopqrstuvw"[: x.rank - 1]
    return b.contract(f"{letters}y,zy->{letters}z", x, weight)


for _name in ("mkl::_mkl_linear", "mkldnn::_linear_pointwise", "aten::_dyn_quant_matmul_4bit", "aten::_mixed_dtypes_linear",
              "aten::_weight_int4pack_mm_with_scales_and_zeros"):  # fmt: skip
    lowers(_name)(_packed_linear)


@lowers("aten::_scaled_grouped_mm", "aten::_scaled_grouped_mm_v2")
def _scaled_groups(call: Call) -> Lowered:
    """Grouped products, each result times the scale of its row and of its column."""
    y = _general("_grouped_mm", {}, {})(call)
    assert isinstance(y, Tensor)
    b = call.builder
    return b.map("mul", b.map("mul", y, 1.0), 1.0)


@lowers("aten::matmul_backward")
def _matmul_backward(call: Call) -> Lowered:
    """Of stacks of matrices: each operand's gradient is a product with the other one."""
    b, g, left, right = call.builder, call.tensor("grad"), call.tensor("self"), call.tensor("other")
    if not left.rank == right.rank == g.rank:
        raise NotImplementedError
    batch, mask = "abcdefgh"[: g.rank - 2], call["mask"]
    return (
        b.contract(f"{batch}ik,{batch}jk->{batch}ij", g, right) if mask[0] else None,
        b.contract(f"{batch}ij,{batch}ik->{batch}jk", left, g) if mask[1] else None,
    )


@lowers("aten::glu_jvp", "aten::glu_backward_jvp")
def _glu_forward_mode(call: Call) -> Lowered:
    """Forward-mode gradients of a gate: some four products, two sums and a sigmoid for each element."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"mul": 4 * amount, "add": 2 * amount, "sigmoid": amount}, estimated=True)[0]


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


_MOVED = ("all_gather_into_tensor", "all_gather_into_tensor_coalesced", "all_to_all_single", "broadcast", "wait_tensor", "irecv",
          "isend", "batch_p2p_ops", "all_gather_into_tensor_out")  # fmt: skip
_ADDED = ("all_reduce", "all_reduce_coalesced", "reduce_scatter_tensor", "reduce_scatter_tensor_coalesced",
          "reduce_scatter_tensor_out")  # fmt: skip


def _collective(adds: int) -> Callable[[Call], Lowered]:
    """Between devices; a reduction adds each element of this device's share once."""

    def lower(call: Call) -> Lowered:
        amount = sum((x.elements for x in tensors_of(call)), start=0)
        outputs = algorithm(call, {"add": adds * amount} if adds else {}, estimated=True if adds else "")
        return outputs if len(outputs) != 1 else outputs[0]

    return lower


for _names, _adds in ((_MOVED, 0), (_ADDED, 1)):
    for _name in _names:
        lowers(f"_c10d_functional::{_name}", f"_c10d_functional_autograd::{_name}")(_collective(_adds))
