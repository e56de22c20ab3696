"""Operators on fake tensors whose result's layout is plain: PyTorch's own meta kernels take long to tell it.

A rule gives the layouts of a call's results, or None where the call is not of the plain kind; then the meta kernel is
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import FakeTensors, Layout, contiguous_strides

_aten = torch.ops.aten
Layouts = Sequence[Layout | None] | None
Rule = Callable[[Any, list[torch.Tensor]], Layouts]


def _default(*names: str) -> frozenset[Any]:
    return frozenset(getattr(_aten, name).default for name in names)


def _overloads(overload: str, *names: str) -> frozenset[Any]:
    return frozenset(getattr(getattr(_aten, name), overload) for name in names)


_OF_NUMBERS = _overloads("Tensor", "add", "sub", "mul") | _default("clone", "neg", "abs", "sign")
"""Elementwise operators whose result has the type of their operands, also if these are whole numbers."""
ELEMENTWISE = (
    _OF_NUMBERS
    | _overloads("Tensor", "div")
    | _overloads("Scalar", "add", "sub", "mul", "div")
    | {_aten.pow.Tensor_Scalar}
    | _default(
        "sqrt", "rsqrt", "exp", "log", "relu", "sigmoid", "tanh", "silu", "gelu", "square", "sin", "cos", "erf"
    )
)  # fmt: skip
"""Operators whose result has the type of their operands if these are floating-point and share one."""
BACKWARD = _default("threshold_backward", "gelu_backward", "tanh_backward", "sigmoid_backward", "silu_backward")
"""Elementwise operators whose operands are laid out alike."""
COMPARISONS = _overloads("Tensor", "eq", "ne", "lt", "le", "gt", "ge") | _overloads(
    "Scalar", "eq", "ne", "lt", "le", "gt", "ge"
)
IN_PLACE = (
    _default("relu_", "sigmoid_", "tanh_", "silu_", "gelu_", "hardswish_", "hardtanh_")
    | _overloads("Tensor", "add_", "sub_", "mul_", "div_")
    | _overloads("Scalar", "add_", "sub_", "mul_", "div_")
    | {_aten.bernoulli_.float}
)
"""Those that write to their first operand and return it."""
LIKE = _default("ones_like", "zeros_like", "empty_like")
"""Those that return a new tensor like an old one."""
RANDOM = _default("rand_like", "randn_like")
REDUCTIONS = _default("sum", "mean") | {_aten.sum.dim_IntList, _aten.mean.dim}
TESTS = _default("all", "any") | {_aten.all.dim, _aten.any.dim}
SOFTMAX = _default("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data")
_FACTORS = {"alpha", "beta", "approximate"}
"""Options that change no layout, as ``memory_format`` does."""
_NUMBERS = {int, float}
_CPU = torch.device("cpu")


def plain_result(operator: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], fast: FakeTensors) -> Any:
    """The result of a call on fake tensors, of which ``tensors`` are those among ``args``; NotImplemented if a rule does not tell it."""
    rule = _RULES.get(operator)
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


# ------------------------------------------------------------------- elementwise
def _of_elements(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Operands of one floating-point type."""
    dtype = tensors[0].dtype
    return _elements(tensors, dtype) if dtype.is_floating_point and _share_type(args, tensors[0], _NUMBERS) else None


def _of_backward(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    gradient, other = tensors
    is_alike = gradient.shape == other.shape and gradient.stride() == other.stride()
    return _of_elements(args, tensors) if is_alike else None


def _of_numbers(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Operands of one type, of floating-point or whole numbers."""
    dtype = tensors[0].dtype
    if dtype.is_floating_point:
        return _of_elements(args, tensors)
    return _elements(tensors, dtype) if dtype is torch.int64 and _share_type(args, tensors[0], {int}) else None


def _of_comparison(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    return _elements(tensors, torch.bool) if _share_type(args, tensors[0], _NUMBERS) else None


def _share_type(args: Any, first: torch.Tensor, numbers: set[type]) -> bool:
    """Whether ``first`` is the first operand, and the others are tensors of its type or numbers."""
    dtype = first.dtype
    return first is args[0] and all(
        other.dtype == dtype if isinstance(other, torch.Tensor) else type(other) in numbers for other in args[1:]
    )


def _elements(tensors: list[torch.Tensor], dtype: torch.dtype) -> Layouts:
    shape = _broadcast(tensors)
    if shape is None:
        return None
    if all(tensor.stride() == contiguous_strides(tensor.shape) for tensor in tensors):
        return [Layout(shape, contiguous_strides(shape), dtype)]
    first = tensors[0]
    strides = None if first.shape != shape or first.is_contiguous() else _strides_in_order_of(first)
    return None if strides is None else [Layout(shape, strides, dtype)]


def _broadcast(tensors: list[torch.Tensor]) -> Any:
    """The shape of a result, which is that of an operand; None where that is not so, and for tensors without elements."""
    shape = tensors[0].shape
    if any(tensor.shape != shape for tensor in tensors[1:]):
        shape = max((tensor.shape for tensor in tensors), key=lambda found: (len(found), found.numel()))
        for tensor in tensors:
            pairs = zip(reversed(tensor.shape), reversed(shape), strict=False)
            if any(size not in (1, whole) for size, whole in pairs):
                return None
    return None if 0 in shape else shape


def _strides_in_order_of(tensor: torch.Tensor) -> Any:
    """Strides without gaps whose axes come in the order of a tensor's own, which alone decides if all of these differ."""
    shape, own = tensor.shape, tensor.stride()
    if len(set(own)) < len(own) or 0 in own or 1 in shape[1:]:
        return None
    order = sorted(range(len(own)), key=own.__getitem__)
    made, size = [0] * len(own), 1
    for axis in order:
        made[axis], size = size, size * shape[axis]
    if shape[0] == 1 and (order[-1] != 0 or (own[1:] == tuple(made[1:]) and own[0] != made[0])):
        return None  # a kernel may keep an odd stride
    return tuple(made)


def _in_place(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A floating-point tensor that is written to; any other operand has its shape, and lies elsewhere in memory."""
    first, *others = tensors
    shape, dtype = first.shape, first.dtype
    if not dtype.is_floating_point or not _share_type(args, first, _NUMBERS):
        return None
    if first.stride() != contiguous_strides(shape) or any(other.shape != shape for other in others):
        return None
    memory = first.untyped_storage()._cdata
    return None if any(other.untyped_storage()._cdata == memory for other in others) else ()


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
    return tensors[0].dtype.is_floating_point and _share_type(args, tensors[0], _NUMBERS)


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
    x = tensors[0]
    return _row_major(x.shape, x) if x.stride() == contiguous_strides(x.shape) else None


def _random_like(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    return _like(args, tensors) if tensors[0].dtype.is_floating_point else None


def _of_where(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A choice between two tensors of one type."""
    if len(tensors) != 3 or tensors[0].dtype is not torch.bool or tensors[1].dtype != tensors[2].dtype:
        return None
    return _elements(tensors, tensors[1].dtype)


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


_RULES: dict[Any, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _of_elements), **dict.fromkeys(_OF_NUMBERS, _of_numbers),
    **dict.fromkeys(COMPARISONS, _of_comparison), **dict.fromkeys(IN_PLACE, _in_place),
    _aten.mm.default: _of_product, _aten.bmm.default: _of_product, _aten.addmm.default: _of_biased_product,
    _aten.cumsum.default: _of_cumulative_sum,
    **dict.fromkeys(BACKWARD, _of_backward), **dict.fromkeys(LIKE, _like), **dict.fromkeys(RANDOM, _random_like),
    **dict.fromkeys(SOFTMAX, _of_softmax), _aten.where.self: _of_where,
    **dict.fromkeys(REDUCTIONS, _of_reduction), **dict.fromkeys(TESTS, _of_all),
    _aten.cat.default: _of_concatenation, _aten.embedding.default: _of_embedding,
    _aten.native_layer_norm.default: _of_layer_norm,
    _aten.native_layer_norm_backward.default: _of_layer_norm_backward,
    _aten.native_batch_norm_backward.default: _of_batch_norm_backward,
}  # fmt: skip
