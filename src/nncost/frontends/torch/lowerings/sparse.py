"""Sparse matrices: products and sums with the values that are stored.

How many are stored comes from the tracer; if it does not know, the operation is unknown.
"""

from __future__ import annotations

from nncost.dims import Dim, exact_divide
from nncost.frontends.torch.lowerings.operands import algorithm, closed_form, moved, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.counts import added


def _stored(call: Call, x: Tensor) -> Dim:
    """How many values a sparse tensor stores. Raise LookupError if that is not known."""
    known = call.stored.get(x)
    if known is None:
        raise LookupError(f"{call.name}: how many values are stored is not known")
    return known


def _products(count: Dim) -> dict[str, Dim]:
    """Each product is added into zeros; sums of k terms do that k−1 times: rows are left out."""
    return {"mul": count, "macs": count, "add": count}


def _multiplied(call: Call, sparse: Tensor, columns: Dim, rows: Dim = 0) -> list[Tensor]:
    """Stored values · columns products, and ``beta·self`` added to ``rows`` times as many results."""
    count = _stored(call, sparse)
    sums: dict[str, Dim] = {}
    if rows != 0 and call.get("beta", 1) != 0:
        scales = [call.get(name, 1) not in (1, None) for name in ("alpha", "beta")]
        sums = {"add": rows * columns, "mul": sum(scales) * rows * columns}
    return algorithm(call, added(_products(count * columns), sums), name="sparse_mm")


def multiplied(call: Call, left: Tensor, right: Tensor) -> Lowered:
    """The product of matrices one of which is sparse, as stored values; None if both are dense."""
    rows = call.shape[0] if call.name == "aten::addmm" else 0
    if left in call.stored and right in call.stored:
        return _both_sparse(call, left, right)
    if left in call.stored:
        return _multiplied(call, left, right.shape[-1] if right.rank > 1 else 1, rows)
    if right in call.stored:
        return _multiplied(call, right, left.shape[0] if left.rank > 1 else 1, rows and call.shape[1])
    return None


@lowers("aten::_sparse_addmm", "aten::sspaddmm")
def _sparse_addmm(call: Call) -> Lowered:
    """``beta·self + alpha·sparse·dense``; ``sparse.mm`` has a beta of zero."""
    left, right = call.tensor("mat1"), call.tensor("mat2")
    return _multiplied(call, left, right.shape[1], left.shape[0])


@lowers("aten::_sparse_sparse_matmul", "aten::hspmm", "aten::_sparse_mm", "aten::_sparse_mm_reduce_impl")
def _sparse_mm(call: Call) -> Lowered:
    left, right = [value for value in call.arguments.values() if isinstance(value, Tensor)][:2]
    if right not in call.stored:
        return _multiplied(call, left, right.shape[-1])
    return _both_sparse(call, left, right)


def _both_sparse(call: Call, left: Tensor, right: Tensor) -> Lowered:
    """Each stored value meets the stored ones of a row, evenly spread."""
    met = _stored(call, left) * _stored(call, right) // right.shape[0]
    return algorithm(call, _products(met), estimated=True, name="sparse_mm")


@lowers("aten::sparse_sampled_addmm")
def _sampled(call: Call) -> Lowered:
    """A product per stored element: k mul, k−1 add and the addition."""
    count = _stored(call, call.tensor("self"))
    return algorithm(call, _products(count * call.tensor("mat1").shape[-1]))


@lowers("aten::_sparse_sum", "aten::_sparse_csr_sum", "aten::_sparse_csr_prod")
def _summed(call: Call) -> Lowered:
    count = _stored(call, tensors_of(call)[0])
    return algorithm(call, {"mul" if "prod" in call.name else "add": count - 1})


@lowers("aten::_sparse_mm_reduce_impl_backward", "aten::_spsolve")
def _by_stored_values(call: Call) -> Lowered:
    """Two products per stored value and column."""
    matrix = next((x for x in call.stored), None) or call.tensor("self" if "self" in call.arguments else "A")
    return algorithm(call, _products(2 * _stored(call, matrix)), estimated=True)


@lowers("aten::_sparse_softmax", "aten::_sparse_log_softmax")
def _softmax(call: Call) -> Lowered:
    """Over the stored values of each row: cmp, add, exp, add and div per value (the logarithm: a second add for the div)."""
    count = _stored(call, call.tensor("self"))
    return algorithm(call, {"cmp": count, "add": 2 * count, "exp": count, "div": count}, estimated=True)


@lowers("aten::_sparse_softmax_backward_data", "aten::_sparse_log_softmax_backward_data")
def _softmax_backward(call: Call) -> Lowered:
    count = _stored(call, call.tensor("output"))
    return algorithm(call, {"mul": 2 * count, "add": 2 * count}, estimated=True)


def _half_sparse(call: Call) -> dict[str, Dim]:
    """Two of four weights are stored: half the products of the dense layer."""
    dense = next(x for x in reversed(tensors_of(call)) if x.rank >= 2)
    return _products(exact_divide(call.elements * dense.shape[-2], 2))


lowers("aten::_sparse_semi_structured_linear", "aten::_sparse_semi_structured_mm", "aten::_cslt_sparse_mm",
       "aten::_sparse_semi_structured_addmm")(closed_form(_half_sparse, estimated=True))  # fmt: skip

_MOVED = """
    sparse_mask _sparse_mask_projection _coalesce _to_sparse _to_sparse_csr _to_sparse_csc _to_sparse_bsr _to_sparse_bsc
    _to_dense to_dense to_sparse sparse_coo_tensor _sparse_coo_tensor_with_dims_and_tensors _spdiags
    _sparse_coo_tensor_unsafe sparse_compressed_tensor _sparse_compressed_tensor_unsafe _sparse_coo_tensor_with_dims
    _sparse_compressed_tensor_with_dims copy_sparse_to_sparse _convert_indices_from_coo_to_csr
    _convert_indices_from_csr_to_coo _coalesced _sparse_broadcast_to_copy _values_copy _indices_copy values_copy
    indices_copy crow_indices_copy col_indices_copy ccol_indices_copy row_indices_copy sparse_resize
    sparse_resize_and_clear resize_as_sparse _sparse_sum_backward
"""
lowers(*(f"aten::{name}" for name in _MOVED.split()))(moved)

_BY_VALUE = {
    "neg", "abs", "relu", "sin", "sinh", "tan", "tanh", "asin", "asinh", "atan", "atanh", "sqrt", "square", "sign", "sgn",
    "expm1", "log1p", "erf", "ceil", "floor", "round", "trunc", "frac", "isnan", "isinf", "mul", "div", "pow", "add", "sub",
    "threshold_backward", "zeros_like", "sum", "norm",
}  # fmt: skip
"""Operators that run on the values that are stored, one by one."""
_OF_ANY_LAYOUT = {
    "mm", "addmm", "mv", "bmm", "matmul", "linear", "clone", "_to_copy", "to", "copy", "zero", "fill", "cat", "stack",
    "index_select", "select_copy", "narrow_copy", "resize", "hspmm", "sspaddmm", "addmv", "baddbmm",
    "_to_dense", "empty_like", "to_dense", "set", "_coalesce",
}  # fmt: skip
"""Operators whose lowerings know sparse operands, or that move values only."""


def by_stored(lowering: Lowering, call: Call) -> Lowered:
    """What a call does to the stored values of its sparse operands. Raise NotImplementedError if that is not known."""
    name = call.name.partition("::")[2]
    if "sparse" in name or name in _OF_ANY_LAYOUT or name.endswith(("values_copy", "indices_copy")):
        return lowering(call)
    sparse = list(dict.fromkeys(x for x in tensors_of(call) if x in call.stored))
    if name in ("add", "sub") and len(sparse) > 1:  # only where both store a value is there something to add
        return algorithm(call, {"add": min(_stored(call, x) for x in sparse)}, estimated=True)
    if name not in _BY_VALUE or call.get("dim") not in (None, ()) or len(sparse) > 1:
        raise NotImplementedError(f"{call.name} of sparse tensors")
    return lowering(_on_values(call, _stored(call, sparse[0])))


def _on_values(call: Call, count: Dim) -> Call:
    """The call on so many values in a row."""
    values = {x: call.builder.input((count,), dtype=x.dtype) for x in tensors_of(call) if x.rank}
    arguments = {key: values.get(x, x) if isinstance(x, Tensor) else x for key, x in call.arguments.items()}
    outputs = tuple((((count,) if shape else ()), dtype) for shape, dtype in call.outputs)
    parameters = frozenset(values.get(x, x) for x in call.parameters)
    return Call(call.builder, call.name, call.overload, arguments, outputs, parameters)
