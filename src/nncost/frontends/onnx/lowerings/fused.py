"""Products and convolutions that onnxruntime writes together with what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.dims import is_symbolic, same
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.convolution import convolution_operands, convolved
from nncost.frontends.onnx.lowerings.dense import gemm, matmul
from nncost.frontends.onnx.sources import LAYER
from nncost.frontends.onnx.values import Computed, Unlowered, Value
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import activation

MICROSOFT = "com.microsoft"
_ACTIVATIONS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "Relu": ("relu", ()), "Tanh": ("tanh", ()), "Sigmoid": ("sigmoid", ()), "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()), "HardSwish": ("hardswish", ()), "LeakyRelu": ("leaky_relu", (0.01,)),
    "Elu": ("elu", (1.0,)), "Selu": ("selu", (1.67326319217681884765625, 1.05070102214813232421875)),
    "HardSigmoid": ("hardsigmoid", (0.2, 0.5)), "ThresholdedRelu": ("thresholded_relu", (1.0,)),
    "Clip": ("hardtanh", (float("-inf"), float("inf"))),
}  # fmt: skip
"""What follows a product: its name in the library and its settings."""


def _activated(call: Call, x: Tensor, given: Sequence[float]) -> Tensor:
    """The activation that a node names, with the settings that are given in place of the usual ones."""
    name = call.attributes.text("activation", "")
    if not name:
        return x
    if name not in _ACTIVATIONS:
        raise Unlowered(f"the activation {name!r}")
    own, usual = _ACTIVATIONS[name]
    return activation(call.builder, own, x, *(*given[: len(usual)], *usual[len(given) :]))


# ------------------------------------------------------------------- products of matrices
@lowers("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
def _fused_matmul(call: Call) -> Lowered:
    """α·A·B, either of them transposed in its last two axes or with its first axis behind the others."""
    y = matmul(call, _turned(call, 0, "A"), _turned(call, 1, "B"))
    alpha = call.attributes.number("alpha", 1.0)
    if alpha == 1:
        return y
    return Computed(call.builder.map("mul", y.tensor, alpha), activation=y.activation, source=y.source)


def _turned(call: Call, position: int, name: str) -> Value:
    value = call.value(position)
    order = list(range(len(value.shape)))
    if call.attributes.flag(f"transBatch{name}", False) and len(order) > 2:
        order = [*order[1:-1], 0, order[-1]]
    if call.attributes.flag(f"trans{name}", False) and len(order) > 1:
        order[-2:] = reversed(order[-2:])
    return value if order == sorted(order) else call.transposed(value, tuple(order), "weight")


@lowers("FusedGemm", domain=MICROSOFT)
def _fused_gemm(call: Call) -> Lowered:
    """α·A·B + β·C and an activation of it."""
    names = [name for name in ("activation_alpha", "activation_beta", "activation_gamma") if name in call.attributes]
    product = gemm(call)
    y = _activated(call, product.tensor, [call.attributes.number(name, 0.0) for name in names])
    return Computed(y, activation=product.activation, source=product.source if y is product.tensor else LAYER)


# ------------------------------------------------------------------- convolutions
@lowers("FusedConv", domain=MICROSOFT)
def _fused_conv(call: Call) -> Tensor:
    """A convolution, the sum with another tensor if one is given, and an activation of it."""
    y = convolved(call, *convolution_operands(call))
    return _finished(call, y, call.tensor(3) if call.has(3) else None)


def _finished(call: Call, y: Tensor, other: Tensor | None) -> Tensor:
    y = y if other is None else call.builder.map("add", y, other)
    return _activated(call, y, call.attributes.numbers("activation_params"))


@lowers("NhwcConv", "NhwcFusedConv", domain=MICROSOFT)
def _conv_channels_last(call: Call) -> Tensor:
    """The same of images whose channels are their last axis; the sum is of that form, too."""
    x, weight, bias = convolution_operands(call)
    x = _channels_first(call, x)
    y = _finished(
        call,
        convolved(call, x, _kernels(call, x, weight), bias),
        _channels_first(call, call.tensor(3)) if call.has(3) else None,
    )
    return call.builder.transpose(y, (0, *range(2, y.rank), 1))


def _channels_first(call: Call, x: Tensor) -> Tensor:
    return call.builder.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1)))


def _kernels(call: Call, x: Tensor, weight: Tensor) -> Tensor:
    """Kernels (M, C/groups, *kernel); those of some graphics processors have their channels last."""
    groups, channels = call.attributes.integer("group", 1), x.shape[1]
    if is_symbolic(channels) or same(weight.shape[1] * groups, channels):
        return weight
    if same(weight.shape[-1] * groups, channels):
        return _channels_first(call, weight)
    raise ShapeError(f"kernels of {weight.shape} do not fit {channels} channels.")


@lowers("BiasSplitGelu", domain=MICROSOFT)
def _bias_split_gelu(call: Call) -> Tensor:
    """The first half of x + bias times the gelu of the second half."""
    x, bias, b = call.tensor(0), call.tensor(1, "bias"), call.builder
    if not x.shape or is_symbolic(x.shape[-1]) or x.shape[-1] % 2:
        raise SourceError(f"its last axis must have an even number of elements, received {x.shape}.")
    with b.region(Operation("bias_split_gelu"), x, bias) as region:
        left, right = b.chunk(b.map("add", x, bias), 2, -1)
        region.returns(b.map("mul", left, activation(b, "gelu", right)))
    return region.outputs[0]
