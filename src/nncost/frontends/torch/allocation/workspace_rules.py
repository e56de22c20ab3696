"""Which operators may allocate besides their results, and what is the least that must run to learn it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from nncost.frontends.torch.allocation.call_record import Called, Operand

NEVER = {
    "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided",
    "aten::zeros_like", "aten::ones_like", "aten::new_zeros", "aten::zero_", "aten::fill_.Scalar",
    "aten::lift_fresh",
}  # fmt: skip
"""Operators that take their results' memory and no more, whatever their arguments."""
_NEVER_IN_A_ROW = {"aten::embedding", "aten::embedding_dense_backward"}
"""The same for operands that lie in memory in the order of their axes."""
_PRODUCTS = {"aten::mm": 2, "aten::addmm": 3}
"""Matrix products of two operands that a BLAS library reads where they lie, with the number of tensors they take."""
PREPARED = {torch.ops.aten.mkldnn_rnn_layer_backward.default}
"""Operators that are handed what another one has left, made for them by running that one."""
_TRUSTED = {"workspace", "reserve", "cum_seq_q", "cum_seq_k", "crow_indices", "compressed_indices", "nested_size"}
"""Arguments whose values a kernel follows without looking: made-up ones would lead it astray."""
_SMALL = {1: 37, 2: 7}
_SMALL_OTHERWISE = 5
"""Sizes by the number of axes: a tensor of them takes more than ``SCALAR_BYTES``, also one of single bytes."""
SCALAR_BYTES = 16
"""A number as a tensor takes at most this (a double-precision complex number)."""


def takes_results_only(called: Called) -> bool:
    """Whether a call is known to take no more than its results, without a run."""
    if called.operator is None:
        return True
    name = called.operator._schema.name
    overload = called.operator._overloadname
    if name in NEVER or f"{name}.{overload}" in NEVER:
        return True
    if name in _NEVER_IN_A_ROW:
        return all(_is_in_a_row(operand) for operand in operands(called))
    if name not in _PRODUCTS or len(called.args) != _PRODUCTS[name]:
        return False
    factors = called.args[-2:]
    return all(isinstance(o, Operand) and o.dtype is torch.float32 and _is_readable(o) for o in factors)


def _is_in_a_row(operand: Operand) -> bool:
    step = 1
    for size, stride in zip(reversed(operand.shape), reversed(operand.stride), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def _is_readable(operand: Operand) -> bool:
    """Whether BLAS can read a matrix where it lies: rows or columns without gaps between their elements."""
    (rows, columns), (down, across) = operand.shape, operand.stride
    return (across == 1 and down >= max(1, columns)) or (down == 1 and across >= max(1, rows))


def may_run(called: Called) -> bool:
    """Whether a call may be run on made-up values: PyTorch's own operators, none that trusts what it is handed."""
    schema = called.operator._schema
    if not schema.name.startswith("aten::"):
        return False
    return called.operator in PREPARED or not any(argument.name in _TRUSTED for argument in schema.arguments)


def made_small(called: Called) -> Called | None:
    """A small call that allocates what this one does, apart from its results; None where there is none such.

    An elementwise operator turns numbers into tensors and converts them, whatever the size of its operands.
    """
    if torch.Tag.pointwise not in called.operator.tags:
        return None
    axes = max((sum(size != 1 for size in o.shape) for o in operands(called)), default=0)
    size = _SMALL.get(axes, _SMALL_OTHERWISE)
    if any(0 in o.shape for o in operands(called)):
        return None

    def small(value: Any) -> Any:
        if isinstance(value, Operand):
            return _shrunk(value, size)
        return tuple([small(item) for item in value]) if type(value) is tuple else value

    args = tuple([small(value) for value in called.args])
    return Called(called.operator, args, tuple([(n, small(v)) for n, v in called.kwargs]), grads=called.grads)


def _shrunk(operand: Operand, size: int) -> Operand:
    """An operand of the same axes in the same order in memory, with small sizes."""
    shape = tuple(1 if n == 1 else size for n in operand.shape)
    strides = [0] * len(shape)
    step = 1
    for axis in sorted(range(len(shape)), key=lambda a: (operand.stride[a], -a)):
        if operand.stride[axis]:
            strides[axis] = step
            step *= shape[axis]
    return operand._replace(shape=shape, stride=tuple(strides))


def operands(called: Called) -> Iterator[Operand]:
    """The tensors among a call's arguments."""
    waiting = [*called.args, *(value for _, value in called.kwargs)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Operand):
            yield value
        elif type(value) is tuple:
            waiting += value
