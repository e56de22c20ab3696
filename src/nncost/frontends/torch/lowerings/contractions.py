"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.operands import elementwise
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.frontends.torch.lowerings.sparse import multiplied
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.layers import MatMul
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
    if call.stored and (found := multiplied(call, left, right)) is not None:
        return found
    if not _is_layer(call, right):
        return b.contract("ij,jk->ik", left, right)
    with b.region(MatMul(learned=True), left, right, neurons=right.shape[1] * left.shape[0]) as region:
        region.returns(b.contract("ij,jk->ik", left, right))
    return region.outputs[0]


@lowers("aten::mm")
def _mm(call: Call) -> Tensor:
    return _product(call, call.tensor("self"), call.tensor("mat2"))


@lowers("aten::bmm")
def _bmm(call: Call) -> Tensor:
    """With learned matrices a dense layer, or one for each expert."""
    b, left, right = call.builder, call.tensor("self"), call.tensor("mat2")
    if _is_layer(call, right) and left not in call.parameters:
        with b.region(
            MatMul(learned=True), left, right, neurons=product((left.shape[0], left.shape[1], right.shape[2]))
        ) as region:
            region.returns(b.contract("bij,bjk->bik", left, right))
        return region.outputs[0]
    return call.builder.contract("bij,bjk->bik", call.tensor("self"), call.tensor("mat2"))


@lowers("aten::mv")
def _mv(call: Call) -> Tensor:
    if call.stored and (found := multiplied(call, call.tensor("self"), call.tensor("vec"))) is not None:
        return found
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
    if call.stored and (found := multiplied(call, left, right)) is not None:
        return found
    if not _is_layer(call, right):
        return _added(call, b.contract("ij,jk->ik", left, right))
    neurons = product((left.shape[0], right.shape[1]))
    with b.region(MatMul(learned=True), left, right, call.tensor("self"), neurons=neurons) as region:
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


@lowers("aten::linalg_vecdot")
def _vecdot(call: Call) -> Tensor:
    """A contraction for each row: ``Σ x·y`` along an axis."""
    b, x, y = call.builder, call.tensor("x"), call.tensor("y")
    shape = list(call.outputs[0][0])
    axis = call.get("dim", -1) % (len(shape) + 1)
    shape.insert(axis, x.shape[axis - len(shape) - 1])
    letters = _letters(len(shape))
    rest = letters.replace(letters[axis], "")
    return b.contract(f"{letters},{letters}->{rest}", *(b.broadcast(t, tuple(shape)) for t in (x, y)))


@lowers("aten::affine_grid_generator")
def _affine_grid(call: Call) -> Tensor:
    """A grid of constant points (x, y, 1), each by the matrix of its example: points·(d+1)·d products."""
    b, theta = call.builder, call.tensor("theta")
    points = b.emit(ops.Constant("array", _grid_shape(call, theta), theta.dtype, lambda: _grid_points(call)))
    grid = b.contract("npk,njk->npj", b.broadcast(points, (theta.shape[0], *points.shape[1:])), theta)
    return b.reshape(grid, call.outputs[0][0])


@lowers("aten::affine_grid_generator_backward")
def _affine_grid_backward(call: Call) -> Tensor:
    """The sum over all points, each gradient by its point."""
    b, g = call.builder, call.tensor("grad")
    size, dims = g.shape[0], g.shape[-1]
    shape: tuple[Dim, ...] = (1, product(g.shape[1:-1]), dims + 1)
    points = b.broadcast(b.emit(ops.Constant("array", shape, g.dtype, lambda: _grid_points(call))), (size, *shape[1:]))
    return b.contract("npj,npk->njk", b.reshape(g, (size, shape[1], dims)), points)


def _grid_shape(call: Call, theta: Tensor) -> tuple[Dim, ...]:
    return (1, product(call["size"][2:]), theta.shape[2])


def _grid_points(call: Call) -> Any:
    """The points of every pixel from −1 to 1, last axis first, and a one."""
    import numpy as np

    sizes = [int(size) for size in call["size"][2:]]
    shrink = [1.0 if call["align_corners"] or size == 1 else (size - 1) / size for size in sizes]
    axes = [
        np.linspace(-1, 1, size) * factor if size > 1 else np.zeros(1)
        for size, factor in zip(sizes, shrink, strict=True)
    ]
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.stack([*reversed([m.ravel() for m in mesh]), np.ones(mesh[0].size)], -1)
