"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from nncost.dims import product
from nncost.frontends.torch.lowering import Call, lowers
from nncost.frontends.torch.lowerings.operands import elementwise
from nncost.ir.graph import Tensor
from nncost.ir.library.dense import dense


@lowers("aten::linear")
def _linear(call: Call) -> Tensor:
    x, weight = call.tensor("input"), call.tensor("weight")
    bias = call.get("bias")
    if weight.rank == 1:
        y = call.builder.contract(_letters(x.rank - 1) + "y,y->" + _letters(x.rank - 1), x, weight)
        return y if bias is None else call.builder.map("add", y, bias)
    return dense(call.builder, x, weight, bias)


def _letters(count: int) -> str:
    return "abcdefghijklmnopqrstuvw"[:count]


def _is_layer(call: Call, weight: Tensor) -> bool:
    """Whether a product is a dense layer's: its right operand is learned."""
    return weight in call.parameters


def _product(call: Call, left: Tensor, right: Tensor) -> Tensor:
    """``(N, K)·(K, M)``; with a learned right operand a dense layer, whose outputs are neurons."""
    b = call.builder
    if not _is_layer(call, right):
        return b.contract("ij,jk->ik", left, right)
    with b.region("dense", left, right, neurons=right.shape[1] * left.shape[0]) as region:
        region.returns(b.contract("ij,jk->ik", left, right))
    return region.outputs[0]


@lowers("aten::mm")
def _mm(call: Call) -> Tensor:
    return _product(call, call.tensor("self"), call.tensor("mat2"))


@lowers("aten::bmm")
def _bmm(call: Call) -> Tensor:
    return call.builder.contract("bij,bjk->bik", call.tensor("self"), call.tensor("mat2"))


@lowers("aten::mv")
def _mv(call: Call) -> Tensor:
    return call.builder.contract("ij,j->i", call.tensor("self"), call.tensor("vec"))


@lowers("aten::dot", "aten::vdot")
def _dot(call: Call) -> Tensor:
    other = call["tensor"] if "tensor" in call.arguments else call["other"]
    return call.builder.contract("i,i->", call.tensor("self"), other)


def _scaled(call: Call, x: Tensor, factor: Any) -> Tensor:
    return x if factor in (None, 1) else elementwise(call, "mul", x, factor)


def _added(call: Call, product_: Tensor) -> Tensor:
    """Beta·self + alpha·product; factors of one are free."""
    alpha, beta = call.get("alpha", 1), call.get("beta", 1)
    scaled = _scaled(call, product_, alpha)
    if beta == 0:
        return scaled
    return call.builder.map("add", scaled, _scaled(call, call.tensor("self"), beta))


@lowers("aten::addmm")
def _addmm(call: Call) -> Tensor:
    """With a learned matrix this is a dense layer with its bias."""
    b, left, right = call.builder, call.tensor("mat1"), call.tensor("mat2")
    if not _is_layer(call, right):
        return _added(call, b.contract("ij,jk->ik", left, right))
    neurons = product((left.shape[0], right.shape[1]))
    with b.region("dense", left, right, call.tensor("self"), neurons=neurons) as region:
        region.returns(_added(call, b.contract("ij,jk->ik", left, right)))
    return region.outputs[0]


@lowers("aten::baddbmm")
def _baddbmm(call: Call) -> Tensor:
    return _added(call, call.builder.contract("bij,bjk->bik", call.tensor("batch1"), call.tensor("batch2")))


@lowers("aten::addbmm")
def _addbmm(call: Call) -> Tensor:
    """The products of all matrices are summed as well: one contraction over both axes."""
    return _added(call, call.builder.contract("bij,bjk->ik", call.tensor("batch1"), call.tensor("batch2")))


@lowers("aten::addmv")
def _addmv(call: Call) -> Tensor:
    return _added(call, call.builder.contract("ij,j->i", call.tensor("mat"), call.tensor("vec")))


@lowers("aten::addr")
def _addr(call: Call) -> Tensor:
    """An outer product: one mul for each element, no sum."""
    b, left, right = call.builder, call.tensor("vec1"), call.tensor("vec2")
    outer = b.map("mul", b.reshape(left, (left.shape[0], 1)), b.reshape(right, (1, right.shape[0])))
    return _added(call, outer)
