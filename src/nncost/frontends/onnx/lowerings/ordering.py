"""Sorting and searching: the largest elements, distinct ones, those that are not zero."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from nncost.dims import Dim, is_symbolic, product
from nncost.errors import ShapeError
from nncost.frontends.onnx.bounds import size_by_data
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library import ordering

MICROSOFT = "com.microsoft"


def _extreme(call: Call, function: Literal["max", "min"]) -> Tensor:
    """The index of the extreme element of an axis; of several, the first one unless the last is asked for."""
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    last = call.attributes.flag("select_last_index", False)
    index = ordering.extreme_index(call.builder, x, function, axis, last=last)
    return call.builder.unsqueeze(index, axis) if call.attributes.flag("keepdims", True) else index


lowers("ArgMax")(partial(_extreme, function="max"))
lowers("ArgMin")(partial(_extreme, function="min"))


@lowers("TopK")
def _top_k(call: Call) -> Lowered:
    """The k largest or smallest elements of an axis and their indices; always sorted."""
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", -1), x.rank)
    k: Dim = call.attributes.integer("k", 0) if call.opset < 10 else call.only(1, None)
    length = x.shape[axis]
    if not is_symbolic(k) and (k < 0 or (not is_symbolic(length) and k > length)):
        raise ShapeError(f"there are no {k} elements among {length}.")
    return ordering.top_k(call.builder, x, k, axis, largest=call.attributes.flag("largest", True))


@lowers("Hardmax")
def _hardmax(call: Call) -> Tensor:
    """A one at the largest element; before opset 13 of all axes from ``axis`` on together."""
    x, b = call.tensor(0), call.builder
    axis = call.axis(call.attributes.integer("axis", -1 if call.opset >= 13 else 1), x.rank)
    if call.opset >= 13:
        return ordering.hardmax(b, x, axis)
    flat = b.reshape(x, (product(x.shape[:axis]), product(x.shape[axis:])))
    return b.reshape(ordering.hardmax(b, flat, 1), x.shape)


@lowers("NonZero", since=9)
def _non_zero(call: Call) -> Tensor:
    x = call.tensor(0)
    return ordering.non_zero(call.builder, x, size_by_data(call, [0], np.count_nonzero, x.elements))


@lowers("Compress", since=9)
def _compress(call: Call) -> Tensor:
    """The slices of an axis, or without one the elements, whose condition holds."""
    x, condition, b = call.tensor(0), call.ranked(1, 1, 1), call.builder
    axis = 0
    if "axis" in call.attributes:
        axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    else:
        x = b.reshape(x, (x.elements,))
    count = size_by_data(call, [1], np.count_nonzero, condition.shape[0])
    return ordering.compressed(b, x, condition, axis, count)


def _unique(call: Call) -> Lowered:
    """The distinct elements or slices, where each is first, which of them each is, and how often each is there."""
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank) if "axis" in call.attributes else None
    largest = x.elements if axis is None else x.shape[axis]
    count = size_by_data(call, [0], lambda values: len(ordering.distinct(values, axis)[1]), largest)
    return ordering.unique(call.builder, x, axis, count, in_order=call.attributes.flag("sorted", True))


lowers("Unique", since=11)(_unique)


@lowers("Unique", domain=MICROSOFT)
def _unique_in_order(call: Call) -> Lowered:
    """The distinct elements of a list as they first appear, which of them each is, and how often each is there."""
    x = call.ranked(0, 1, 1)
    count = size_by_data(call, [0], lambda values: len(ordering.distinct(values, None)[1]), x.shape[0])
    values, _, number, counts = ordering.unique(call.builder, x, None, count, in_order=False)
    return values, number, counts
