"""Matrix products: a constant operand makes a dense layer, two computed ones a plain contraction."""

from __future__ import annotations

from nncost.errors import ShapeError
from nncost.frontends.onnx.broadcasting import check_broadcast, common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.roles import is_learned, product_of
from nncost.frontends.onnx.tied import tied
from nncost.frontends.onnx.values import Computed, Derived, Stored, Unlowered, Value
from nncost.ir.library import dense, products

MAX_BATCH_AXES = 20
"""Letters of the alphabet left for the batch axes of an einsum."""


def gemm(call: Call) -> Computed:
    """α·A·B + β·C; with α = β = 1 and a constant B this is a dense layer."""
    left, right = _matrix(call, 0, "transA"), _matrix(call, 1, "transB", transposed=True)
    right = tied(call, right)
    alpha, beta = call.attributes.number("alpha", 1.0), call.attributes.number("beta", 1.0)
    x, weight = (call.walk.tensors.of(value, "weight") for value in (left, right))
    bias = call.optional(2, "bias") if beta and call.has(2) else None
    if bias is not None:
        check_broadcast(bias.shape, (x.shape[0], weight.shape[0]))
    layer = isinstance(right, (Stored, Derived))
    if layer and alpha == 1 and (bias is None or beta == 1):
        return product_of(call, dense.dense(call.builder, x, weight, bias), learned=True)
    return product_of(
        call, products.gemm(call.builder, x, weight, bias, alpha=alpha, beta=beta, learned=layer), learned=layer
    )


lowers("Gemm")(gemm)


def _matrix(call: Call, position: int, attribute: str, *, transposed: bool = False) -> Value:
    """A matrix, transposed if exactly one of its attribute and ``transposed`` says so."""
    value = call.value(position)
    if len(value.shape) != 2:
        raise ShapeError(f"operand {position + 1} must have 2 axes, received {len(value.shape)}.")
    return value if call.attributes.flag(attribute, False) == transposed else call.transposed(value, (1, 0), "weight")


@lowers("MatMul")
def _matmul(call: Call) -> Computed:
    return matmul(call, call.value(0), call.value(1))


def matmul(call: Call, left: Value, right: Value) -> Computed:
    """NumPy's matrix product of a call's two operands as they are now; a weight matrix on the right makes a dense layer."""
    tensors = call.walk.tensors
    learned = [is_learned(call, 0, 1), is_learned(call, 1, 0)]
    if learned[1] and len(right.shape) == 2 and 0 < len(left.shape) <= MAX_BATCH_AXES:
        weight = tensors.of(call.transposed(tied(call, right), (1, 0), "weight"), "weight")
        x = tensors.of(left, tensors.inheriting(left))
        return product_of(call, dense.dense(call.builder, x, weight), learned=True)
    if max(len(left.shape), len(right.shape)) > MAX_BATCH_AXES or not (left.shape and right.shape):
        raise Unlowered("a matrix product of more axes than an einsum has letters")
    batch = common_shape([left.shape[:-2], right.shape[:-2]])
    pair = [
        tensors.of(value, "weight" if of_layer else None)
        for value, of_layer in zip((left, right), learned, strict=True)
    ]
    product = products.stacked_matmul(call.builder, pair[0], pair[1], batch, learned=any(learned))
    return product_of(call, product, learned=any(learned))
