"""Fused operations of onnxruntime's own domain: activations, sums and norms with what stands before them."""

from __future__ import annotations

from nncost.dims import product, same_shape, shape_text
from nncost.errors import ShapeError
from nncost.frontends.onnx.broadcasting import check_broadcast
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import norm, norm_variants
from nncost.ir.library.activations import activation, softmax
from nncost.ir.library.sequence import embedding

DOMAIN = "com.microsoft"
QUICK_GELU_SLOPE = 1.702
"""Hendrycks and Gimpel 2016, Gaussian Error Linear Units: the sigmoid approximation."""
SKIP_EPSILON = 1e-12
"""onnxruntime's default for norms that add first."""


# ------------------------------------------------------------------- activations and sums
@lowers("Gelu", domain=DOMAIN)
def _gelu(call: Call) -> Tensor:
    return activation(call.builder, "gelu", call.tensor(0))


@lowers("BiasGelu", domain=DOMAIN)
def _bias_gelu(call: Call) -> Tensor:
    return activation(call.builder, "gelu", _with_bias(call, 0, 1))


@lowers("FastGelu", domain=DOMAIN)
def _fast_gelu(call: Call) -> Tensor:
    return activation(call.builder, "gelu_tanh", _with_bias(call, 0, 1) if call.has(1) else call.tensor(0))


@lowers("QuickGelu", domain=DOMAIN)
def _quick_gelu(call: Call) -> Tensor:
    """x·σ(αx)."""
    return activation(call.builder, "swish", call.tensor(0), call.attributes.number("alpha", QUICK_GELU_SLOPE))


@lowers("BiasAdd", domain=DOMAIN)
def _bias_add(call: Call) -> Tensor:
    return call.builder.map("add", _with_bias(call, 0, 1), call.tensor(2))


@lowers("BiasSoftmax", domain=DOMAIN)
def _bias_softmax(call: Call) -> Tensor:
    """Softmax of the sum over all axes from ``axis`` on."""
    b, x, bias = call.builder, call.tensor(0), call.constant(1)
    try:
        check_broadcast(bias.shape, x.shape)
    except ShapeError:
        raise Unlowered("a bias with axes in the middle left out") from None
    first = call.axis(call.attributes.integer("axis", 1), x.rank)
    scores = b.reshape(b.map("add", x, bias), (product(x.shape[:first]), product(x.shape[first:])))
    return b.reshape(softmax(b, scores, layer=True), x.shape)


def _with_bias(call: Call, position: int, bias: int) -> Tensor:
    return call.builder.map("add", call.tensor(position), call.tensor(bias, "bias"))


# ------------------------------------------------------------------- norms
@lowers("SkipLayerNormalization", domain=DOMAIN)
def _skip_layer_norm(call: Call) -> Lowered:
    """The norm of input + skip (+ bias), and that sum."""
    total = _sum(call, 4)
    shift = call.optional(3, "bias")
    return _normalised(call, total, call.tensor(2, "weight"), shift, SKIP_EPSILON, centre=True, third=total)


@lowers("SkipSimplifiedLayerNormalization", domain=DOMAIN)
def _skip_rms_norm(call: Call) -> Lowered:
    total = _sum(call, 3)
    return _normalised(call, total, call.tensor(2, "weight"), None, SKIP_EPSILON, centre=False, third=total)


def _sum(call: Call, bias: int) -> Tensor:
    b, x = call.builder, call.tensor(0)
    skip = call.tensor(1)
    check_broadcast(skip.shape, x.shape)
    total = b.map("add", x, skip)
    return b.map("add", total, call.tensor(bias, "bias")) if call.has(bias) else total


def _normalised(
    call: Call, x: Tensor, scale: Tensor, shift: Tensor | None, epsilon: float, *, centre: bool, third: Tensor
) -> Lowered:
    """Over the last axis; the mean, 1/σ and what was normalised are outputs, too."""
    b, epsilon = call.builder, call.attributes.number("epsilon", epsilon)
    if not same_shape(scale.shape, x.shape[-1:]):
        raise ShapeError(f"a scale of {shape_text(scale.shape)} does not fit {shape_text(x.shape)}.")
    if call.wants(1) or call.wants(2):
        made = norm_variants.norm_with_statistics(b, x, scale, shift, axes=1, epsilon=epsilon, centre=centre)
        return made[0], made[1] if centre else None, made[-1], third
    if centre:
        return norm.layer_norm(b, x, scale, shift, epsilon=epsilon), None, None, third
    return norm.rms_norm(b, x, scale, epsilon=epsilon), None, None, third


@lowers("SimplifiedLayerNormalization")
def _rms_norm(call: Call) -> Lowered:
    """RMS norm over all axes from ``axis`` on; 1/σ is an output, too."""
    x, scale = call.tensor(0), call.tensor(1, "weight")
    axes = x.rank - call.axis(call.attributes.integer("axis", -1), x.rank)
    check_broadcast(scale.shape, x.shape[x.rank - axes :])
    epsilon = call.attributes.number("epsilon", norm.EPSILON)
    if axes == 1 and not call.wants(1):
        return norm.rms_norm(call.builder, x, scale, epsilon=epsilon)
    y, deviation = norm_variants.norm_with_statistics(
        call.builder, x, scale, None, axes=axes, epsilon=epsilon, centre=False
    )
    return y, deviation


@lowers("EmbedLayerNormalization", domain=DOMAIN)
def _embed_layer_norm(call: Call) -> Lowered:
    """Rows for words, positions and segments, their sum and its norm; how many words a mask leaves."""
    b, words = call.builder, call.ranked(0, 2, 2)
    length = words.shape[1]
    total = embedding(b, words, call.tensor(2, "weight"))
    table = call.tensor(3, "weight")
    if call.has(8):
        total = b.map("add", total, embedding(b, call.tensor(8), table))
    else:
        total = b.map("add", total, b.pad(table, 0, 0, length - table.shape[0]))
    if call.has(1) and call.has(4):
        total = b.map("add", total, embedding(b, call.tensor(1), call.tensor(4, "weight")))
    epsilon = call.attributes.number("epsilon", SKIP_EPSILON)
    y = norm.layer_norm(b, total, call.tensor(5, "weight"), call.tensor(6, "bias"), epsilon=epsilon)
    return y, _words_left(call, words) if call.wants(1) else None, total


def _words_left(call: Call, words: Tensor) -> Tensor:
    b = call.builder
    if not call.has(7):
        return b.full(words.shape[:1], 0, "int32")
    mask = call.tensor(7)
    kept = b.map("equal", mask, b.full((), 1, mask.dtype))
    return b.reduce("sum", b.emit(ops.Cast("int32"), kept), [1])
