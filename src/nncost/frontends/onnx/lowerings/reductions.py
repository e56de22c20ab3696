"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Known, known_integers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

Reduction = Callable[[Builder, Tensor, "tuple[int, ...]", bool], Tensor]


def _plain(function: str) -> Reduction:
    return lambda b, x, axes, keep: b.reduce(function, x, axes, keep=keep)


def _mean(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return b.mean(x, axes, keep=keep)


def _square_sum(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return b.reduce("sum", b.map("square", x), axes, keep=keep)


def _euclidean(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return b.map("sqrt", _square_sum(b, x, axes, keep))


def _absolute(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return b.reduce("sum", b.map("abs", x), axes, keep=keep)


def _axes(call: Call, rank: int, since: int) -> tuple[int, ...]:
    """The axes given; none means all, or nothing with noop_with_empty_axes."""
    axes = call.integers_at(1, "axes", since)
    if axes:
        return call.axes(axes, rank)
    return () if call.attributes.flag("noop_with_empty_axes", False) else tuple(range(rank))


def _reduction(name: str, since: int, reduce: Reduction) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        value = call.value(0)
        axes, keep = _axes(call, len(value.shape), since), call.attributes.flag("keepdims", True)
        if name == "ReduceProd" and isinstance(value, Known) and "float" not in value.dtype and len(value.shape) == 1:
            return _product(value, axes, keep)
        x = call.tensor(0)
        if not axes:
            return x
        with call.builder.region(Operation(name.lower()), x) as region:
            region.returns(reduce(call.builder, x, axes, keep))
        return region.outputs[0]

    return lower


def _product(value: Known, axes: tuple[int, ...], keep: bool) -> Known:
    """The number of elements of a shape, known with its symbols."""
    if not axes:
        return value
    total: object = 1
    for item in value.values:
        total = total * item
    return known_integers(np.asarray([total] if keep else total, dtype=object), static=value.static)


for _name, _since, _reduce in (
    ("ReduceSum", 13, _plain("sum")), ("ReduceMean", 18, _mean), ("ReduceMax", 18, _plain("max")),
    ("ReduceMin", 18, _plain("min")), ("ReduceProd", 18, _plain("prod")), ("ReduceSumSquare", 18, _square_sum),
    ("ReduceL1", 18, _absolute), ("ReduceL2", 18, _euclidean),
):  # fmt: skip
    lowers(_name)(_reduction(_name, _since, _reduce))
