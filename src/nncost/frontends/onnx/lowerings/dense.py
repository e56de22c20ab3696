"""Matrix products: a constant operand makes a dense layer, two computed ones a plain contraction."""

from __future__ import annotations

from nncost.frontends.onnx.broadcasting import check_broadcast, common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Stored, Unlowered, Value
from nncost.ir.graph import Tensor
from nncost.ir.library import dense, products

MAX_BATCH_AXES = 20
"""Letters of the alphabet left for the batch axes of an einsum."""


@lowers("Gemm")
def _gemm(call: Call) -> Tensor:
    """α·A·B + β·C; with α = β = 1 and a constant B this is a dense layer."""
    left, right = _matrix(call, 0, "transA"), _matrix(call, 1, "transB", transposed=True)
    alpha, beta = call.attributes.number("alpha", 1.0), call.attributes.number("beta", 1.0)
    x, weight = call.walk.tensor(left, "weight"), call.walk.tensor(right, "weight")
    bias = call.optional(2, "bias") if beta else None
    if bias is not None:
        check_broadcast(bias.shape, (x.shape[0], weight.shape[0]))
    layer = isinstance(right, Stored)
    if layer and alpha == 1 and (bias is None or beta == 1):
        return dense.dense(call.builder, x, weight, bias)
    return products.gemm(call.builder, x, weight, bias, alpha=alpha, beta=beta, learned=layer)


def _matrix(call: Call, position: int, attribute: str, *, transposed: bool = False) -> Value:
    """A matrix, transposed if exactly one of its attribute and ``transposed`` says so."""
    value = call.value(position)
    call.ranked(position, 2, 2, "weight")
    return value if call.attributes.flag(attribute, False) == transposed else call.transposed(value, (1, 0))


@lowers("MatMul")
def _matmul(call: Call) -> Tensor:
    """NumPy's matrix product; a weight matrix on the right makes a dense layer."""
    left, right = call.value(0), call.value(1)
    if isinstance(right, Stored) and right.learned and len(right.shape) == 2 and len(left.shape) <= MAX_BATCH_AXES:
        weight = call.walk.tensor(call.transposed(right, (1, 0)), "weight")
        return dense.dense(call.builder, call.ranked(0, 1, MAX_BATCH_AXES), weight)
    if max(len(left.shape), len(right.shape)) > MAX_BATCH_AXES or not (left.shape and right.shape):
        raise Unlowered("a matrix product of more axes than an einsum has letters")
    learned = isinstance(left, Stored) or isinstance(right, Stored)
    batch = common_shape([left.shape[:-2], right.shape[:-2]])
    pair = call.tensor(0, "weight"), call.tensor(1, "weight")
    return products.stacked_matmul(call.builder, *pair, batch, learned=learned)
