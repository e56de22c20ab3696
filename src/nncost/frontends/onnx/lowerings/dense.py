"""Matrix products: a constant operand makes a dense layer, two computed ones a plain contraction."""

from __future__ import annotations

import string

from nncost.dims import Shape, product
from nncost.frontends.onnx.broadcasting import check_broadcast, common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Stored, Unlowered, Value
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import MatMul
from nncost.ir.library import dense

MAX_BATCH_AXES = 20
"""Letters of the alphabet left for the batch axes of an einsum."""


@lowers("Gemm")
def _gemm(call: Call) -> Tensor:
    """α·A·B + β·C; with α = β = 1 and a constant B this is a dense layer."""
    b = call.builder
    left, right = _matrix(call, 0, "transA"), _matrix(call, 1, "transB", transposed=True)
    alpha, beta = call.attributes.number("alpha", 1.0), call.attributes.number("beta", 1.0)
    x, weight = call.walk.tensor(left, "weight"), call.walk.tensor(right, "weight")
    bias = call.optional(2, "bias") if beta else None
    if bias is not None:
        check_broadcast(bias.shape, (x.shape[0], weight.shape[0]))
    layer = isinstance(right, Stored)
    if layer and alpha == 1 and (bias is None or beta == 1):
        return dense.dense(b, x, weight, bias)
    inputs = (x, weight) if bias is None else (x, weight, bias)
    neurons = weight.shape[0] if layer else 0
    with b.region(MatMul(layer), *inputs, neurons=neurons) as region:
        y = b.contract("xy,zy->xz", x, weight)
        y = y if alpha == 1 else b.map("mul", alpha, y)
        if bias is not None:
            y = b.map("add", y, bias if beta == 1 else b.map("mul", beta, bias))
        region.returns(y)
    return y


def _matrix(call: Call, position: int, attribute: str, *, transposed: bool = False) -> Value:
    """A matrix, turned over where exactly one of its attribute and ``transposed`` says so."""
    value = call.value(position)
    call.ranked(position, 2, 2, "weight")
    return value if call.attributes.flag(attribute, False) == transposed else call.transposed(value, (1, 0))


@lowers("MatMul")
def _matmul(call: Call) -> Tensor:
    """NumPy's matrix product; a weight matrix on the right makes a dense layer."""
    left, right = call.value(0), call.value(1)
    if isinstance(right, Stored) and right.root.learned and len(right.shape) == 2 and len(left.shape) <= MAX_BATCH_AXES:
        weight = call.walk.tensor(call.transposed(right, (1, 0)), "weight")
        return dense.dense(call.builder, call.ranked(0, 1, MAX_BATCH_AXES), weight)
    if max(len(left.shape), len(right.shape)) > MAX_BATCH_AXES or not (left.shape and right.shape):
        raise Unlowered("a matrix product of more axes than an einsum has letters")
    layer = isinstance(left, Stored) or isinstance(right, Stored)
    return _product(call.builder, call.tensor(0, "weight"), call.tensor(1, "weight"), layer=layer)


def _product(b: Builder, left: Tensor, right: Tensor, *, layer: bool) -> Tensor:
    """``(…, N, K)·(…, K, M)``; a vector is a single row or column, which disappears again."""
    rows, columns = left.shape[-2:-1], right.shape[-1:] if right.rank > 1 else ()
    batch = common_shape([left.shape[:-2], right.shape[:-2]])
    shape = (*batch, *rows, *columns)
    with b.region(MatMul(layer), left, right, neurons=product(shape[1:]) if layer else 0) as region:
        x = b.reshape(left, (1, *left.shape)) if left.rank == 1 else left
        y = b.reshape(right, (*right.shape, 1)) if right.rank == 1 else right
        x, x_letters = _batched(b, x, batch)
        y, y_letters = _batched(b, y, batch)
        letters = x_letters or y_letters
        region.returns(b.reshape(b.contract(f"{x_letters}xy,{y_letters}yz->{letters}xz", x, y), shape))
    return region.outputs[0]


def _batched(b: Builder, x: Tensor, batch: Shape) -> tuple[Tensor, str]:
    """A stack of matrices repeated to the common batch; without axes where there is only one matrix."""
    if all(dim == 1 for dim in x.shape[:-2]):
        return b.reshape(x, x.shape[-2:]), ""
    return b.broadcast(x, (*batch, *x.shape[-2:])), string.ascii_lowercase[: len(batch)]
