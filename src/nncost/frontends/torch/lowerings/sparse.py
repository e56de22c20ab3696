"""Sparse matrices: products and sums with the values that are stored.

How many are stored comes from the tracer; where it does not know, all elements are taken to be, which is
an upper bound and called *estimated*.
"""

from __future__ import annotations

from nncost.dims import Dim, exact_divide
from nncost.frontends.torch.lowerings.operands import added_counts, algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor


def stored(call: Call, x: Tensor) -> tuple[Dim, str]:
    """How many values a sparse tensor stores, and the note where that is a bound."""
    known = call.stored.get(x)
    return (x.elements, "estimated") if known is None else (known, "")


def sparse_product(call: Call, sparse: Tensor, columns: Dim) -> tuple[dict[str, Dim], str]:
    """Stored values · columns products, each added into zeros, which sums of k terms do k−1 times: rows are left out."""
    count, note = stored(call, sparse)
    return {"mul": count * columns, "macs": count * columns, "add": count * columns}, note


def _added(call: Call, rows: Dim, columns: Dim) -> dict[str, Dim]:
    """The addition of ``beta·self``, and ``alpha``."""
    counts: dict[str, Dim] = {"add": rows * columns}
    times = (call.get("alpha", 1) not in (1, None)) + (call.get("beta", 1) not in (1, None, 0))
    if times:
        counts["mul"] = times * rows * columns
    return {} if call.get("beta", 1) == 0 else counts


def multiplied(call: Call, left: Tensor, right: Tensor) -> Tensor | None:
    """The product of matrices one of which is sparse, as stored values; None where both are dense."""
    if left in call.stored:
        counts, note = sparse_product(call, left, right.shape[-1] if right.rank > 1 else 1)
    elif right in call.stored:
        counts, note = sparse_product(call, right, left.shape[0] if left.rank > 1 else 1)
    else:
        return None
    extra = _added(call, *_two(call.outputs[0][0])) if call.name in ("aten::addmm", "aten::_sparse_addmm") else {}
    return algorithm(call, added_counts(counts, extra), note=note, name="sparse_mm")[0]


def _two(shape: tuple[Dim, ...]) -> tuple[Dim, Dim]:
    return shape[0], shape[1]


@lowers("aten::_sparse_addmm", "aten::sspaddmm")
def _sparse_addmm(call: Call) -> Lowered:
    """``beta·self + alpha·sparse·dense``; ``sparse.mm`` has a beta of zero."""
    left, right = call.tensor("mat1"), call.tensor("mat2")
    counts, note = sparse_product(call, left, right.shape[1])
    extra = _added(call, left.shape[0], right.shape[1])
    return algorithm(call, added_counts(counts, extra), note=note, name="sparse_mm")[0]


@lowers("aten::_sparse_sparse_matmul", "aten::hspmm", "aten::_sparse_mm", "aten::_sparse_mm_reduce_impl")
def _sparse_mm(call: Call) -> Lowered:
    """By a sparse right operand each stored value meets the stored ones of a row, evenly spread."""
    tensors = [value for value in call.arguments.values() if isinstance(value, Tensor)][:2]
    columns = tensors[1].shape[-1]
    counts, note = sparse_product(call, tensors[0], columns)
    if tensors[1] in call.stored:
        (left, _), (right, _) = stored(call, tensors[0]), stored(call, tensors[1])
        met = left * right // tensors[1].shape[0]
        counts, note = {"mul": met, "macs": met, "add": met}, "estimated"
    outputs = algorithm(call, counts, note=note, name="sparse_mm")
    return outputs if len(outputs) > 1 else outputs[0]


@lowers("aten::sparse_sampled_addmm")
def _sampled(call: Call) -> Lowered:
    """A product at the places that are stored: k mul, k−1 add and the addition, for each."""
    x, left = call.tensor("self"), call.tensor("mat1")
    count, note = stored(call, x)
    counts: dict[str, Dim] = {
        "mul": count * left.shape[-1],
        "macs": count * left.shape[-1],
        "add": count * left.shape[-1],
    }
    return algorithm(call, counts, note=note)[0]


@lowers(
    "aten::sparse_mask", "aten::_sparse_mask_projection", "aten::_coalesce", "aten::_to_sparse", "aten::_to_sparse_csr",
    "aten::_to_sparse_csc", "aten::_to_sparse_bsr", "aten::_to_sparse_bsc", "aten::_to_dense", "aten::to_dense",
    "aten::to_sparse", "aten::sparse_coo_tensor", "aten::_sparse_coo_tensor_with_dims_and_tensors", "aten::_spdiags",
    "aten::_sparse_coo_tensor_unsafe", "aten::sparse_compressed_tensor", "aten::_sparse_compressed_tensor_unsafe",
    "aten::_sparse_coo_tensor_with_dims", "aten::_sparse_compressed_tensor_with_dims", "aten::copy_sparse_to_sparse",
    "aten::_convert_indices_from_coo_to_csr", "aten::_convert_indices_from_csr_to_coo", "aten::_coalesced",
    "aten::_sparse_broadcast_to_copy", "aten::_values_copy", "aten::_indices_copy", "aten::values_copy",
    "aten::indices_copy", "aten::crow_indices_copy", "aten::col_indices_copy", "aten::ccol_indices_copy",
    "aten::row_indices_copy", "aten::sparse_resize", "aten::sparse_resize_and_clear", "aten::resize_as_sparse",
)  # fmt: skip
def _moved(call: Call) -> Lowered:
    """Values taken out of a matrix or put into one: moves."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) > 1 else outputs[0] if outputs else None


@lowers("aten::_sparse_sum", "aten::_sparse_csr_sum", "aten::_sparse_csr_prod")
def _summed(call: Call) -> Lowered:
    x = next(value for value in call.arguments.values() if isinstance(value, Tensor))
    count, note = stored(call, x)
    return algorithm(call, {"mul" if "prod" in call.name else "add": count - 1}, note=note)[0]


@lowers("aten::_sparse_mm_reduce_impl_backward", "aten::_spsolve")
def _by_stored_values(call: Call) -> Lowered:
    """Two products for each stored value and column."""
    matrix = next((x for x in call.stored), None) or call.tensor("self" if "self" in call.arguments else "A")
    counts, _ = sparse_product(call, matrix, 2)
    outputs = algorithm(call, counts, note="estimated")
    return outputs if len(outputs) != 1 else outputs[0]


@lowers("aten::_sparse_sum_backward")
def _sum_backward(call: Call) -> Lowered:
    return algorithm(call, {})[0]


@lowers("aten::_sparse_softmax", "aten::_sparse_log_softmax")
def _softmax(call: Call) -> Lowered:
    """Over the stored values of each row: cmp, add, exp, add and div for each (the logarithm: a second add for the div)."""
    count, _ = stored(call, call.tensor("self"))
    counts: dict[str, Dim] = {"cmp": count, "add": 2 * count, "exp": count, "div": count}
    return algorithm(call, counts, note="estimated")[0]


@lowers("aten::_sparse_softmax_backward_data", "aten::_sparse_log_softmax_backward_data")
def _softmax_backward(call: Call) -> Lowered:
    count, _ = stored(call, call.tensor("output"))
    return algorithm(call, {"mul": 2 * count, "add": 2 * count}, note="estimated")[0]


@lowers("aten::_sparse_semi_structured_linear", "aten::_sparse_semi_structured_mm", "aten::_cslt_sparse_mm",
        "aten::_sparse_semi_structured_addmm")  # fmt: skip
def _half_sparse(call: Call) -> Lowered:
    """Two of four weights are stored: half the products of the dense layer."""
    output = Tensor(*call.outputs[0])
    dense = next(x for x in reversed([v for v in call.arguments.values() if isinstance(v, Tensor)]) if x.rank >= 2)
    products = exact_divide(output.elements * dense.shape[-2], 2)
    return algorithm(call, {"mul": products, "macs": products, "add": products}, note="estimated")[0]
