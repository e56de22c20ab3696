"""Operators of one device's library, by the general operator they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation
from nncost.ir.library.conv import conv

_NO_MORE = {"output_padding": (0,), "transposed": False}
_PLAIN = {"stride": (1,), "padding": (0,), "dilation": (1,), "groups": 1}
_SLOW = {**_PLAIN, **_NO_MORE}
_ALIASES: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {
    "cudnn_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "miopen_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "miopen_depthwise_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "mkldnn_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "_mps_convolution": ("convolution", {"self": "input"}, _NO_MORE),
    "cudnn_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW, "transposed": True}),
    "miopen_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW, "transposed": True}),
    "_mps_convolution_transpose": ("convolution", {"self": "input"}, {**_SLOW, "transposed": True}),
    "slow_conv_transpose2d": ("convolution", {"self": "input"}, {**_SLOW, "transposed": True}),
    "slow_conv_transpose3d": ("convolution", {"self": "input"}, {**_SLOW, "transposed": True}),
    "_slow_conv2d_forward": ("convolution", {"self": "input"}, _SLOW),
    "slow_conv3d_forward": ("convolution", {"self": "input"}, _SLOW),
    "slow_conv3d": ("convolution", {"self": "input"}, _SLOW),
    "thnn_conv2d": ("convolution", {"self": "input"}, _SLOW),
    "slow_conv_dilated2d": ("convolution", {"self": "input"}, {"groups": 1, **_NO_MORE}),
    "slow_conv_dilated3d": ("convolution", {"self": "input"}, {"groups": 1, **_NO_MORE}),
    "_nnpack_spatial_convolution": ("convolution", {}, _SLOW),
    "mps_convolution_backward": ("convolution_backward", {"self": "input"}, _NO_MORE),
    "mps_convolution_transpose_backward": ("convolution_backward", {"self": "input"}, {**_SLOW, "transposed": True}),
    "_triton_scaled_dot_attention": ("scaled_dot_product_attention", {"q": "query", "k": "key", "v": "value"}, {}),
    "_triton_multi_head_attention": ("_native_multi_head_attention", {}, {}),
    "convolution_backward_overrideable": ("convolution_backward", {}, {}),
    "_slow_conv2d_backward": ("convolution_backward", {"self": "input"}, _SLOW),
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
    return activation(b, "relu", y)


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
    return algorithm(call, {"mul": 4 * amount, "add": 2 * amount, "sigmoid": amount}, note="estimated")[0]
