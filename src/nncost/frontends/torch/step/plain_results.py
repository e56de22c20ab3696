"""Operators on fake tensors whose result's layout is plain: PyTorch's own meta kernels take long to tell it.

A rule gives the layouts of a call's results, or None where the call is not of the plain kind; then the meta kernel is
asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nncost.frontends.torch.step.elementwise_results import (
    ELEMENTWISE_RULES,
    IN_PLACE,
    NUMBERS,
    Layouts,
    Rule,
    default,
    share_type,
    strides_in_order_of,
)
from nncost.frontends.torch.step.fake_tensors import FakeTensors, Layout, contiguous_strides

_aten = torch.ops.aten

LIKE = default("clone", "ones_like", "zeros_like", "empty_like")
"""Those that return a new tensor like an old one."""
RANDOM = default("rand_like", "randn_like")
REDUCTIONS = default("sum", "mean") | {_aten.sum.dim_IntList, _aten.mean.dim}
TESTS = default("all", "any") | {_aten.all.dim, _aten.any.dim}
SOFTMAX = default("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data")
_FACTORS = {"alpha", "beta", "approximate"}
"""Options that change no layout, as ``memory_format`` does."""
_CPU = torch.device("cpu")


def plain_result(operator: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], fast: FakeTensors) -> Any:
    """The result of a call on fake tensors, of which ``tensors`` are those among ``args``; NotImplemented if a rule does not tell it."""
    rule = RULES.get(operator)
    if rule is None or (kwargs and not all(map(_is_plain, kwargs, kwargs.values()))):
        return NotImplemented
    layouts = rule(args, tensors)
    if layouts is None:
        return NotImplemented
    if operator in IN_PLACE:
        return args[0]
    made = [None if layout is None else fast.make(*layout) for layout in layouts]
    return made[0] if len(made) == 1 else tuple(made)


def _is_plain(option: str, value: Any) -> bool:
    if option in _FACTORS or value is None or value is False or value is torch.strided:
        return True
    return isinstance(value, torch.device) and value == _CPU


# ------------------------------------------------------------------- products
def _of_product(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A product of matrices, or of as many of them in two stacks."""
    if len(tensors) != 2 or not _share_floats(args, tensors):
        return None
    (*stack, rows, inner), (*other, depth, columns) = tensors[0].shape, tensors[1].shape
    return _row_major((*stack, rows, columns), tensors[0]) if inner == depth and stack == other else None


def _of_biased_product(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A product to which a row is added."""
    if not _share_floats(args, tensors):
        return None
    row, *factors = tensors
    layouts = _of_product(factors, factors)
    return layouts if row.shape == factors[1].shape[-1:] else None


def _share_floats(args: Any, tensors: list[torch.Tensor]) -> bool:
    return tensors[0].dtype.is_floating_point and share_type(args, tensors[0], NUMBERS)


def _row_major(shape: Any, like: torch.Tensor, dtype: torch.dtype | None = None) -> list[Layout]:
    return [Layout(shape, contiguous_strides(shape), like.dtype if dtype is None else dtype)]


# ------------------------------------------------------------------- along axes
def _of_reduction(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A sum or mean over some axes of a floating-point tensor."""
    return _reduced(args, tensors[0], tensors[0].dtype) if tensors[0].dtype.is_floating_point else None


def _of_all(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Whether all elements hold, or any, also along one axis."""
    return None if tensors[0].dtype is torch.uint8 else _reduced(args, tensors[0], torch.bool)


def _reduced(args: Any, x: torch.Tensor, dtype: torch.dtype) -> Layouts:
    """The layout of one value for each part of a tensor in row-major order: over all axes, one, or those listed."""
    shape = x.shape
    if len(args) > 3 or x.stride() != contiguous_strides(shape):
        return None
    given = args[1] if len(args) > 1 else None
    axes = [given] if isinstance(given, int) else given or range(len(shape))
    over = {axis % len(shape) for axis in axes if _has_axis(x, axis)}
    if len(over) < len(axes):
        return None
    kept = len(args) == 3 and args[2]
    return _row_major(
        [1 if axis in over else size for axis, size in enumerate(shape) if kept or axis not in over], x, dtype
    )


def _of_cumulative_sum(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    x = tensors[0]
    plain = x.dtype.is_floating_point or x.dtype is torch.int64
    if not plain or not _has_axis(x, args[1]) or x.stride() != contiguous_strides(x.shape):
        return None
    return _row_major(x.shape, x)


def _has_axis(tensor: torch.Tensor, axis: int) -> bool:
    rank: int = tensor.dim()
    return -rank <= axis < rank


def _of_concatenation(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Tensors of one type that differ along one axis, of which one is not in channels-last order."""
    first, axis = tensors[0], args[1] if len(args) > 1 else 0
    rank = first.dim()
    if (
        not _has_axis(first, axis)
        or len(tensors) != len(args[0])
        or any(t.dim() != rank or t.dtype != first.dtype for t in tensors)
    ):
        return None
    if rank in (4, 5) and not any(tensor.stride(-1) < tensor.stride(1) for tensor in tensors):
        return None
    axis %= rank
    shapes = [tensor.shape for tensor in tensors]
    if any((*shape[:axis], *shape[axis + 1 :]) != (*shapes[0][:axis], *shapes[0][axis + 1 :]) for shape in shapes):
        return None
    return _row_major((*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]), first)


def _of_softmax(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Along an axis of a tensor in row-major order; of a gradient also that of the result."""
    x, rest = tensors[0], args[len(tensors) :]
    if not x.dtype.is_floating_point or any(t.dtype != x.dtype or t.shape != x.shape for t in tensors):
        return None
    if any(t.stride() != contiguous_strides(t.shape) for t in tensors) or not _has_axis(x, rest[0]):
        return None
    return _row_major(x.shape, x) if rest[1] in (False, x.dtype) else None


def _like(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A new tensor whose axes are in the same order."""
    x = tensors[0]
    if x.stride() == contiguous_strides(x.shape):
        return _row_major(x.shape, x)
    strides = None if x.is_contiguous() or 0 in x.shape else strides_in_order_of(x)
    return None if strides is None else [Layout(x.shape, strides, x.dtype)]


def _random_like(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    return _like(args, tensors) if tensors[0].dtype.is_floating_point else None


# ------------------------------------------------------------------- norms
_NORMED = (torch.float32, torch.float64)
"""Types whose statistics have the same."""


def _of_layer_norm(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """The normed tensor, and the mean and the spread of each of its rows."""
    x, shape = tensors[0], args[1]
    each = _rows(x, shape)
    if each is None or any(t.dtype != x.dtype or list(t.shape) != list(shape) for t in tensors[1:]):
        return None
    return [Layout(x.shape, x.stride(), x.dtype), each, each]


def _of_layer_norm_backward(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """The gradients of the tensor, the weight and the bias."""
    gradient, x, shape, _, _, weight, bias, asked = args
    if _rows(x, shape) is None or any(t.dtype != x.dtype for t in tensors) or gradient.shape != x.shape:
        return None
    if gradient.stride() != x.stride() or any(t is not None and list(t.shape) != list(shape) for t in (weight, bias)):
        return None
    if (asked[1] and weight is None) or (asked[2] and bias is None):
        return None
    made = x, weight, bias
    return [
        Layout(t.shape, contiguous_strides(t.shape), x.dtype) if a else None for t, a in zip(made, asked, strict=True)
    ]


def _rows(x: torch.Tensor, shape: Any) -> Layout | None:
    """The statistics of the rows of a tensor in row-major order, whose last axes have that shape."""
    rank = len(shape)
    if x.dtype not in _NORMED or x.stride() != contiguous_strides(x.shape) or 0 in x.shape:
        return None
    if not shape or list(x.shape[-rank:]) != list(shape):
        return None
    rows = (*x.shape[: x.dim() - rank], *[1] * rank)
    return Layout(rows, contiguous_strides(rows), x.dtype)


def _of_batch_norm_backward(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """The gradients of the tensor, the weight and the bias."""
    (gradient, x, weight), asked = args[:3], args[9]
    if x.dtype not in _NORMED or weight is None or any(t.dtype != x.dtype for t in tensors) or 0 in x.shape:
        return None
    if x.stride() != contiguous_strides(x.shape) or gradient.stride() != x.stride() or gradient.shape != x.shape:
        return None
    each = Layout(weight.shape, (1,), x.dtype)
    made = Layout(x.shape, x.stride(), x.dtype), each, each
    return [layout if is_asked else None for layout, is_asked in zip(made, asked, strict=True)]


def _of_embedding(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """The rows of a table."""
    table, rows = tensors
    if table.dim() != 2 or rows.dtype not in (torch.int64, torch.int32):
        return None
    return _row_major((*rows.shape, table.shape[1]), table)


RULES: Mapping[Any, Rule] = {
    **ELEMENTWISE_RULES,
    _aten.mm.default: _of_product, _aten.bmm.default: _of_product, _aten.addmm.default: _of_biased_product,
    _aten.cumsum.default: _of_cumulative_sum,
    **dict.fromkeys(LIKE, _like), **dict.fromkeys(RANDOM, _random_like),
    **dict.fromkeys(SOFTMAX, _of_softmax),
    **dict.fromkeys(REDUCTIONS, _of_reduction), **dict.fromkeys(TESTS, _of_all),
    _aten.cat.default: _of_concatenation, _aten.embedding.default: _of_embedding,
    _aten.native_layer_norm.default: _of_layer_norm,
    _aten.native_layer_norm_backward.default: _of_layer_norm_backward,
    _aten.native_batch_norm_backward.default: _of_batch_norm_backward,
}  # fmt: skip
