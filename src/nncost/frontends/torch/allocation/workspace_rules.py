"""Which operators may allocate besides their results, and the least that must run to find out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

import torch

from nncost.frontends.torch.allocation.memory_call import MemoryCall, bytes_of
from nncost.frontends.torch.tracing.call_signature import Operand

NEVER = {
    "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided",
    "aten::zeros_like", "aten::ones_like", "aten::new_zeros", "aten::zero_", "aten::fill_.Scalar",
    "aten::lift_fresh", "aten::slice_backward", "aten::select_backward",
}  # fmt: skip
"""Operators that allocate their results and nothing else, whatever their arguments."""
_NEVER_IF_CONTIGUOUS = {"aten::embedding", "aten::embedding_dense_backward"}
"""The same for contiguous operands."""
_PRODUCTS = {"aten::mm": 2, "aten::addmm": 3}
"""Matrix products of two operands that a BLAS library reads without a copy, with the number of tensors they take."""
PREPARED = {torch.ops.aten.mkldnn_rnn_layer_backward.default}
"""Operators that read what another one has left, which runs first."""
_TRUSTED = {"workspace", "reserve", "cum_seq_q", "cum_seq_k", "crow_indices", "compressed_indices", "nested_size"}
"""Arguments whose values a kernel follows without a check: made-up ones would lead it astray."""
_BY_VALUES = {
    "aten::linalg_matrix_exp",
    "aten::masked_scatter_backward",
    "aten::masked_select",
    "aten::embedding_renorm_",
}
"""Operators whose workspace depends on the values of their operands."""
_BAGS = {"aten::_embedding_bag", "aten::_embedding_bag_forward_only", "aten::_embedding_bag_backward"}
_LARGEST_OF_BAG = 2
_BY_MASK = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index_put"}
"""Operators whose workspace depends on how many values of a mask are true."""
_SMALL = {1: 37, 2: 7}
_SMALL_OTHER = 5
"""Sizes by the number of axes: a tensor of them takes more than ``SCALAR_BYTES``, also one of single bytes."""
_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default: 3,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default: 6,
}
"""Attention kernels with the number of tensors they take where there is no mask."""
_ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default
MOST_POSITIONS = 1_024
"""From 768 positions on a thread takes 256 queries at a time, and never more than 512 keys (FlashAttentionKernel.cpp)."""
_AXES_OF_SUMS = 3
"""Axes of what attention keeps of its softmax, in any order."""
_REDUCTIONS = {
    torch.ops.aten.sum.default, torch.ops.aten.sum.dim_IntList, torch.ops.aten.mean.dim, torch.ops.aten.mean.default
}  # fmt: skip
_LARGE, _ENOUGH = 1 << 22, 1 << 17
"""Bytes from which a reduction is told by a smaller one, and the elements that it then has."""
SCALAR_BYTES = 16
"""A number as a tensor takes at most this (a double-precision complex number)."""


def takes_results_only(call: MemoryCall) -> bool:
    """Whether a call is known to allocate its results only, without a run."""
    if call.operator is None:
        return True
    if _has_odd_axes(call):
        return False
    name = call.operator._schema.name
    overload = call.operator._overloadname
    if name in NEVER or f"{name}.{overload}" in NEVER:
        return True
    if name in _NEVER_IF_CONTIGUOUS:
        return all(_is_contiguous(operand) for operand in operands(call))
    if name == "aten::cat":
        return _is_plain_cat(call)
    if name not in _PRODUCTS or len(call.args) != _PRODUCTS[name]:
        return False
    factors = call.args[-2:]
    return all(isinstance(o, Operand) and o.dtype is torch.float32 and _is_readable(o) for o in factors)


def _is_plain_cat(call: MemoryCall) -> bool:
    """Whether tensors of one type, none with its channels last, are put together: nothing is converted."""
    found = list(operands(call))
    if len({operand.dtype for operand in found}) != 1:
        return False
    return all(_is_contiguous(o) or len(o.shape) <= 3 or min(o.stride) == o.stride[-1] for o in found)


def _is_contiguous(operand: Operand) -> bool:
    step = 1
    for size, stride in zip(reversed(operand.shape), reversed(operand.stride), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def _is_readable(operand: Operand) -> bool:
    """Whether BLAS can read a matrix without a copy: rows or columns without gaps between their elements."""
    (rows, columns), (down, across) = operand.shape, operand.stride
    if 0 in (rows, columns):
        return False  # a sum of nothing is another formula
    return bool((across == 1 and down >= max(1, columns)) or (down == 1 and across >= max(1, rows)))


def may_run(call: MemoryCall) -> bool:
    """Whether a call may be run on made-up values: PyTorch's own operators, none that trusts its arguments."""
    schema = call.operator._schema
    if not schema.name.startswith("aten::") or _depends_on_values(call):
        return False
    return call.operator in PREPARED or not any(argument.name in _TRUSTED for argument in schema.arguments)


def _depends_on_values(call: MemoryCall) -> bool:
    """Whether a run on made-up values may take something else than one on the real ones."""
    schema = call.operator._schema
    if schema.name in _BY_MASK:
        return any(operand.dtype in (torch.bool, torch.uint8) for operand in operands_in(call.args[1:2]))
    if schema.name in _BAGS:
        named = dict(zip((argument.name for argument in schema.arguments), call.args, strict=False))
        return bool(named.get("mode", 0) == _LARGEST_OF_BAG)
    return schema.name in _BY_VALUES


def made_small(call: MemoryCall) -> MemoryCall | None:
    """A small call that allocates what this one does, apart from its results; None if there is none.

    An elementwise operator turns numbers into tensors and converts them, whatever the size of its operands.
    """
    if call.operator in _ATTENTION:
        return _small_attention(call)
    if call.operator in _REDUCTIONS and call.bytes > _LARGE:
        return _small_reduction(call)
    if torch.Tag.pointwise not in call.operator.tags or _has_odd_axes(call):
        return None
    axes = max((sum(size != 1 for size in o.shape) for o in operands(call)), default=0)
    size = _SMALL.get(axes, _SMALL_OTHER)
    if any(0 in o.shape for o in operands(call)):
        return None

    def small(value: Any) -> Any:
        if isinstance(value, Operand):
            return _shrunk(value, size)
        return tuple([small(item) for item in value]) if type(value) is tuple else value

    args = tuple([small(value) for value in call.args])
    return MemoryCall(call.operator, args, tuple([(n, small(v)) for n, v in call.kwargs]), grads=call.grads)


def _has_odd_axes(call: MemoryCall) -> bool:
    """Whether an elementwise call has an operand with an axis of one element whose stride is none that a new tensor has.

    Kernels keep such a stride where meta kernels make another: what comes next then finds another order of axes.
    """
    return torch.Tag.pointwise in call.operator.tags and any(
        1 in operand.shape and 0 not in operand.stride and _resized(operand, operand.shape).stride != operand.stride
        for operand in operands(call)
    )


def has_buffers(small: MemoryCall, allocations: Sequence[int]) -> bool:
    """Whether a kernel's own memory is the same for a small call as for a large one: no copy of an operand is among it."""
    copies = {bytes_of(operand.layout) for operand in operands(small)}
    return small.operator in _ATTENTION and copies.isdisjoint(allocations)


def _small_attention(call: MemoryCall) -> MemoryCall | None:
    """Attention over as many positions as a thread takes at a time: its buffers are a thread's own.

    Two examples and two heads stay two, so that each operand is as contiguous as it was.
    """
    found = list(operands(call))
    if len(found) != _ATTENTION[call.operator] or not all(map(_is_read_as_it_is, found)):
        return None
    if call.operator is _ATTENTION_BACKWARD and call.args[0].layout.extent != prod(call.args[0].shape):
        return None  # a gradient that is part of another is copied

    def small(value: Any) -> Any:
        if not isinstance(value, Operand):
            return value
        examples, heads, positions, *width = value.shape
        return _resized(value, (min(examples, 2), min(heads, 2), min(positions, MOST_POSITIONS), *width))

    return MemoryCall(call.operator, tuple(map(small, call.args)), call.kwargs, grads=call.grads, results=call.results)


def _is_read_as_it_is(operand: Operand) -> bool:
    """Whether attention reads an operand without a copy."""
    dense = 0 not in operand.stride and (operand.stride[-1] == 1 or len(operand.shape) == _AXES_OF_SUMS)
    return operand.dtype is torch.float32 and 0 not in operand.shape and dense


def _small_reduction(call: MemoryCall) -> MemoryCall | None:
    """A reduction of fewer elements, still enough for several threads, whose result is one number if it was one."""
    (operand,) = operands(call)
    shape = list(operand.shape)
    while prod(shape) > _ENOUGH and max(shape) > 2:
        longest = shape.index(max(shape))
        shape[longest] = max(2, shape[longest] // 2)

    def small(value: Any) -> Any:
        return _resized(value, tuple(shape)) if isinstance(value, Operand) else value

    return MemoryCall(call.operator, tuple(map(small, call.args)), call.kwargs, grads=call.grads)


def _shrunk(operand: Operand, size: int) -> Operand:
    """An operand of the same axes in the same order in memory, with small sizes."""
    return _resized(operand, tuple(1 if n == 1 else size for n in operand.shape))


def _resized(operand: Operand, shape: tuple[int, ...]) -> Operand:
    """An operand of that shape, its axes in the same order in memory."""
    strides = [0] * len(shape)
    step = 1
    for axis in sorted(range(len(shape)), key=lambda a: (operand.stride[a], -a)):
        if operand.stride[axis]:
            strides[axis] = step
            step *= shape[axis]
    return operand._replace(shape=shape, stride=tuple(strides))


def operands(call: MemoryCall) -> Iterator[Operand]:
    """The tensors among a call's arguments."""
    yield from operands_in([*call.args, *(value for _, value in call.kwargs)])


def operands_in(values: Iterable[Any]) -> Iterator[Operand]:
    """The tensors among some arguments."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Operand):
            yield value
        elif type(value) is tuple:
            waiting += value
