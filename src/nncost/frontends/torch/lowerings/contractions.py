"""Products of matrices and vectors: dense layers, bilinear ones, groups of experts, small numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from nncost.frontends.torch.lowerings.gradient import composite_gradient, gradient, like
from nncost.frontends.torch.lowerings.operands import cast, scaled, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.frontends.torch.lowerings.sparse import multiplied
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import MatMul
from nncost.ir.library.dense import dense, letters
from nncost.ir.library.grouped import rows_by_group, sums_by_group
from nncost.ir.library.products import matmul, matvec, outer, vecdot
from nncost.ir.library.quantization import EIGHT_BITS, dequantize, scaled_by


@lowers("aten::linear")
def _linear(call: Call) -> Tensor:
    x, weight, bias = call.tensor("input"), call.tensor("weight"), call.get("bias")
    if weight.rank == 1:
        y = matvec(call.builder, x, weight)
        return y if bias is None else call.builder.map("add", y, bias)
    return dense(call.builder, x, weight, bias)


_BIAS = like(lambda call: (call.tensor("grad_output").shape[-1],))
_INPUT = like(lambda call: call["input_size"])
lowers("aten::linear_backward", "aten::mkldnn_linear_backward")(
    composite_gradient(lambda _: dense, "self|input", "weight", _BIAS)
)
lowers("aten::mkldnn_linear_backward_input")(composite_gradient(lambda _: dense, _INPUT, "weight"))


@lowers("aten::mkldnn_linear_backward_weights")
def _linear_backward_weights(call: Call) -> Lowered:
    g, x, weight = call.tensor("grad_output"), call.tensor("input"), call.tensor("weight")
    bias = call.builder.full((g.shape[-1],), 0.0, g.dtype)
    wanted = (False, True, bool(call.get("bias_defined", True)))
    return gradient(call.builder, dense, (x, weight, bias), g, wanted)[1:]


@lowers("mkl::_mkl_linear", "mkldnn::_linear_pointwise", "aten::_dyn_quant_matmul_4bit", "aten::_mixed_dtypes_linear",
        "aten::_weight_int4pack_mm_with_scales_and_zeros")  # fmt: skip
def _packed_linear(call: Call) -> Tensor:
    """A product with a weight in a library's own layout: its shape follows from those of input and output."""
    x = tensors_of(call)[0]
    return dense(call.builder, x, call.builder.input((call.shape[-1], x.shape[-1]), dtype=x.dtype))


@lowers("aten::matmul_backward")
def _matmul_backward(call: Call) -> Lowered:
    """Of stacks of matrices: each operand's gradient is a product with the other one."""
    g, left, right = call.tensor("grad"), call.tensor("self"), call.tensor("other")
    if not left.rank == right.rank == g.rank:
        raise NotImplementedError
    return gradient(call.builder, matmul, (left, right), g, call["mask"])


def _dense_layer(call: Call, *operands: Tensor, product: Callable[[], Tensor]) -> Tensor:
    """A product with a learned matrix: a dense layer, whose outputs are neurons."""
    with call.builder.region(MatMul(learned=True), *operands) as region:
        region.returns(product())
        region.neurons = region.outputs[0].elements
    return region.outputs[0]


@lowers("aten::mm")
def _mm(call: Call) -> Lowered:
    """``(N, K)·(K, M)``; with a learned right operand a dense layer."""
    left, right = call.tensor("self"), call.tensor("mat2")
    if call.stored and (found := multiplied(call, left, right)) is not None:
        return found
    product = partial(call.builder.contract, "ij,jk->ik", left, right)
    return _dense_layer(call, left, right, product=product) if right in call.parameters else product()


@lowers("aten::bmm")
def _bmm(call: Call) -> Tensor:
    """With learned matrices a dense layer, or one per expert."""
    left, right = call.tensor("self"), call.tensor("mat2")
    product = partial(call.builder.contract, "bij,bjk->bik", left, right)
    learned = right in call.parameters and left not in call.parameters
    return _dense_layer(call, left, right, product=product) if learned else product()


@lowers("aten::mv")
def _mv(call: Call) -> Lowered:
    if call.stored and (found := multiplied(call, call.tensor("self"), call.tensor("vec"))) is not None:
        return found
    return call.builder.contract("ij,j->i", call.tensor("self"), call.tensor("vec"))


@lowers("aten::dot", "aten::vdot")
def _dot(call: Call) -> Tensor:
    other = call["tensor"] if "tensor" in call.arguments else call["other"]
    return call.builder.contract("i,i->", call.tensor("self"), other)


def _added(call: Call, product: Tensor) -> Tensor:
    """Beta·self + alpha·product; factors of one are free."""
    alpha, beta = call.get("alpha", 1), call.get("beta", 1)
    y: Tensor = scaled(call, product, alpha)
    return y if beta == 0 else call.builder.map("add", y, scaled(call, call.tensor("self"), beta))


@lowers("aten::addmm")
def _addmm(call: Call) -> Lowered:
    """With a learned matrix this is a dense layer with its bias."""
    left, right = call.tensor("mat1"), call.tensor("mat2")
    if call.stored and (found := multiplied(call, left, right)) is not None:
        return found

    def product() -> Tensor:
        return _added(call, call.builder.contract("ij,jk->ik", left, right))

    return (
        _dense_layer(call, left, right, call.tensor("self"), product=product) if right in call.parameters else product()
    )


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
    return _added(call, outer(call.builder, call.tensor("vec1"), call.tensor("vec2")))


@lowers("aten::linalg_vecdot")
def _vecdot(call: Call) -> Tensor:
    """A contraction per row: ``Σ x·y`` along an axis."""
    b, x, y = call.builder, call.tensor("x"), call.tensor("y")
    shape = list(call.shape)
    axis = call.get("dim", -1) % (len(shape) + 1)
    shape.insert(axis, x.shape[axis - len(shape) - 1])
    return vecdot(b, b.broadcast(x, tuple(shape)), b.broadcast(y, tuple(shape)), axis)


_FIRST: Mapping[tuple[int, ...], tuple[int, int]] = {(2, 3): (0, 1), (1, 2): (0, 1), (1, 3): (0, 2), (0,): (1, 2)}
"""Which two operands meet first, by the axes that are summed: x₁ and W forward; backward as its derivative does."""


@lowers("aten::_trilinear")
def _trilinear(call: Call) -> Tensor:
    """``Σ i₁·i₂·i₃`` as two contractions; in the gradient of x₁ the product g ⊗ x₂ is the one W's gradient has made.

    Axes are those of the product of all three: (batch, out, in₁, in₂) in ``nn.Bilinear``.
    """
    b = call.builder
    given = [call.tensor(name) for name in ("i1", "i2", "i3")]
    named = [
        _named(x.rank + len(expand), expand)
        for x, expand in zip(given, (call["expand1"], call["expand2"], call["expand3"]), strict=True)
    ]
    summed, every = tuple(sorted(call["sumdim"])), letters(given[0].rank + len(call["expand1"]))
    result = "".join(letter for letter in sorted({*"".join(named)}) if letter not in {every[axis] for axis in summed})
    first = _FIRST.get(summed, (0, 1))
    last = 3 - sum(first)
    left, right = named[first[0]], named[first[1]]
    kept = "".join(x for x in sorted({*left, *right}) if x in result or x in named[last])
    if summed == (1, 3) and set(kept) == {*left, *right}:
        middle = _outer(b, (given[first[0]], left), (given[first[1]], right), kept)
    else:
        middle = b.contract(f"{left},{right}->{kept}", given[first[0]], given[first[1]])
    return b.reshape(b.contract(f"{kept},{named[last]}->{result}", middle, given[last]), call.shape)


def _named(rank: int, expand: Sequence[int]) -> str:
    return "".join(letter for axis, letter in enumerate(letters(rank)) if axis not in expand)


def _outer(b: Builder, left: tuple[Tensor, str], right: tuple[Tensor, str], kept: str) -> Tensor:
    """A product without a sum."""
    sides = []
    for x, own in (left, right):
        sizes = dict(zip(own, x.shape, strict=True))
        sides.append(b.reshape(x, tuple(sizes.get(letter, 1) for letter in kept)))
    return b.map("mul", *sides)


@lowers("transformers::grouped_mm_fallback")
def _grouped(call: Call) -> Tensor:
    return rows_by_group(call.builder, call.tensor("input"), call.tensor("weight"))


@lowers("transformers::grouped_mm_fallback_backward")
def _grouped_backward(call: Call) -> Lowered:
    """Of the rows: each gradient by its matrix, turned. Of the matrices: sums over the rows of each group."""
    b, weight, g = call.builder, call.tensor("weight"), call.tensor("grad_output")
    return rows_by_group(b, g, weight, transposed=True), sums_by_group(b, call.tensor("input"), g, weight.shape[0])


def _grouped_mm(call: Call) -> Tensor:
    """``(S, K)`` by ``(E, K, N)``, or ``(K, S)`` by ``(S, N)`` for ``(E, K, N)``, the gradient of the matrices.

    Also ``(E, S, K)`` by ``(E, K, N)``, whose groups are all alike, and ``(E, S, K)`` by the columns of ``(K, N)``.
    """
    b, left, right = call.builder, call.tensor("self"), call.tensor("mat2")
    if (left.rank, right.rank) == (2, 3):
        return rows_by_group(b, left, right)
    if (left.rank, right.rank) == (2, 2):
        return sums_by_group(b, b.transpose(left, (1, 0)), right, call.shape[0])
    if (left.rank, right.rank) == (3, 3):
        return b.contract("eij,ejk->eik", left, right)
    turned = rows_by_group(b, b.transpose(right, (1, 0)), left, transposed=True)
    return b.transpose(turned, (1, 0))


lowers("aten::_grouped_mm")(_grouped_mm)


@lowers("aten::_int_mm")
def _int_mm(call: Call) -> Tensor:
    """Products of integers are products; the sums are wider."""
    y = call.builder.contract("ij,jk->ik", call.tensor("self"), call.tensor("mat2"))
    return cast(call.builder, y, call.dtype)


@lowers("aten::_scaled_mm", "aten::_scaled_mm_v2")
def _scaled_mm(call: Call) -> Tensor:
    """The product, then each result times the scale of its row and the scale of its column, then the bias."""
    b = call.builder
    y = _with_scales(call, cast(b, b.contract("ij,jk->ik", call.tensor("self"), call.tensor("mat2")), call.dtype))
    bias = call.get("bias")
    return y if bias is None else b.map("add", y, bias)


@lowers("aten::_scaled_grouped_mm", "aten::_scaled_grouped_mm_v2")
def _scaled_groups(call: Call) -> Tensor:
    """Grouped products, each result times the scale of its row and of its column."""
    return _with_scales(call, _grouped_mm(call))


def _with_scales(call: Call, y: Tensor) -> Tensor:
    for name in ("scale_a", "scale_b"):
        given = call[name]
        y = scaled_by(call.builder, y, cast(call.builder, given[0] if isinstance(given, tuple) else given, y.dtype))
    return y


@lowers("aten::_weight_int8pack_mm")
def _int8_weights(call: Call) -> Tensor:
    """``(M, K)`` by eight-bit ``(N, K)``, then one scale per column."""
    b, x = call.builder, call.tensor("self")
    y = b.contract("mk,nk->mn", x, cast(b, call.tensor("mat2"), x.dtype))
    return scaled_by(b, y, cast(b, call.tensor("scales"), x.dtype))


@lowers("aten::_weight_int4pack_mm", "aten::_weight_int4pack_mm_for_cpu")
def _int4_weights(call: Call) -> Tensor:
    """``(M, K)`` by four-bit ``(N, K)``: each weight is scaled and shifted once (1 mul, 1 add), then multiplied."""
    b, x = call.builder, call.tensor("self")
    packed = b.input((call.shape[1], x.shape[1]), dtype=EIGHT_BITS)
    return b.contract("mk,nk->mn", x, dequantize(b, packed, x.dtype))
