"""How many values sparse tensors store, told when they are made: PyTorch's own fake ones forget it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.fake_tensors import tensors_in
from nncost.frontends.torch.step.provenance import stored_values

PARTS = {"aten::_values", "aten::values", "aten::_indices", "aten::indices", "aten::crow_indices", "aten::col_indices",
         "aten::ccol_indices", "aten::row_indices", "aten::_nnz"}  # fmt: skip
"""Operators that take a sparse tensor apart."""
BAG_BACKWARD = torch.ops.aten._embedding_bag_backward.default
_KEEPING = {
    "neg", "abs", "relu", "sin", "sinh", "tan", "tanh", "asin", "asinh", "atan", "atanh", "sqrt", "square", "sign", "sgn",
    "expm1", "log1p", "erf", "erfinv", "ceil", "floor", "round", "trunc", "frac", "isnan", "isinf", "deg2rad", "rad2deg",
    "mul", "div", "pow", "clone", "_to_copy", "to", "copy", "detach", "alias", "t", "transpose", "permute", "conj",
    "_coalesced", "threshold_backward", "_sparse_softmax", "_sparse_log_softmax", "_sparse_softmax_backward_data",
    "_sparse_log_softmax_backward_data", "sparse_sampled_addmm", "_to_sparse_csr", "_to_sparse_csc", "unsqueeze", "dropout",
    "native_dropout", "zeros_like", "sparse_resize_as", "copy_sparse_to_sparse", "lift_fresh", "resolve_conj", "mul_scalar",
}  # fmt: skip
"""Operators that leave a value where there was one, and none elsewhere."""


def is_sparse(tensor: torch.Tensor) -> bool:
    """Whether a tensor stores only some of its values."""
    return tensor.layout is not torch.strided and tensor.layout is not torch.jagged and not tensor.is_mkldnn


def is_about_sparse(info: OperatorInfo, args: Any, kwargs: Any) -> bool:
    """Whether an operator makes a sparse tensor, or has one among its arguments."""
    return "sparse" in info.name or any(map(is_sparse, tensors_in((args, kwargs))))


def stored_in_result(info: OperatorInfo, args: Sequence[Any], kwargs: Any) -> int | None:
    """How many values the sparse result of an operator stores; None if its operands do not tell."""
    named = {**dict(zip(info.names, args, strict=False)), **kwargs}
    values = named.get("values")
    if isinstance(values, torch.Tensor) and isinstance(values.numel(), int):
        return int(values.numel())
    mask = named.get("mask")
    if info.name == "aten::sparse_mask" and isinstance(mask, torch.Tensor):
        return stored_values(mask)
    sparse = [tensor for tensor in tensors_in((args, kwargs)) if is_sparse(tensor)]
    if len({id(tensor) for tensor in sparse}) == 1 and info.name.partition("::")[2] in _KEEPING:
        return stored_values(sparse[0])
    return None


def sparse_bag(
    grad: Any, indices: Any, offsets: Any, bags: Any, sizes: Any, largest: Any, weights: int, by_frequency: bool, mode: int,
    sparse: bool, scales: Any, padding: int = -1,
) -> Any:  # fmt: skip
    """A bag's backward pass that makes a sparse gradient, which its fake form does not know."""
    if not sparse:
        return NotImplemented
    bags = bags if bags.numel() else torch.zeros_like(indices)  # which bag each is in: not kept for sums
    form = torch.ops.aten._embedding_bag_sparse_backward.default
    return form.decompose(grad, indices, offsets, bags, sizes, weights, by_frequency, mode, scales, padding)
