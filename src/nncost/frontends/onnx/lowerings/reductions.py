"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.dims import product
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import reductions
from nncost.ir.library.casts import in_type

Reduction = Callable[[Builder, Tensor, "tuple[int, ...]", bool], Tensor]
UNCHANGED = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSumExp"}
"""Reductions that leave each element as it is over no axes; the others take its square, its absolute value, its logarithm."""


def _plain(function: str) -> Reduction:
    return lambda b, x, axes, keep: b.reduce(function, x, axes, keep=keep)


def _real(b: Builder, x: Tensor) -> Tensor:
    """Whole numbers as floats, whose roots and logarithms are taken."""
    return b.emit(ops.Cast("float64"), x) if x.dtype in INTEGER_DTYPES else x


def _sum_of_magnitudes(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return reductions.vector_norm(b, x, 1, axes, keep=keep)


def _length(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """The root of the squares' sum; of whole numbers it is cut."""
    squares = reductions.power_sum(b, x, 2, axes, keep=keep)
    return in_type(b, b.map("sqrt", _real(b, squares)), x.dtype)


def _mean(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    if x.dtype not in INTEGER_DTYPES:
        return b.mean(x, axes, keep=keep)
    count = b.full((), product(x.shape[axis] for axis in axes), x.dtype)
    return b.map("quotient", b.reduce("sum", x, axes, keep=keep), count)


def _log_sum(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """The logarithm of a sum; of whole numbers it is cut."""
    return in_type(b, b.map("log", _real(b, b.reduce("sum", x, axes, keep=keep))), x.dtype)


def _log_sum_exp(b: Builder, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """Of whole numbers each power is cut, and the result, as onnxruntime does."""
    if x.dtype not in INTEGER_DTYPES:
        return reductions.logsumexp(b, x, axes, keep=keep)
    largest = b.reduce("max", x, axes, keep=True)
    powers = in_type(b, b.map("exp", _real(b, b.map("sub", x, largest))), x.dtype)
    total = b.map("log", _real(b, b.reduce("sum", powers, axes, keep=keep)))
    return in_type(b, b.map("add", total, b.reshape(_real(b, largest), total.shape)), x.dtype)


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
        x = call.tensor(0)
        if not axes and name in UNCHANGED:
            return x
        with call.builder.region(Operation(name.lower()), x) as region:
            region.returns(reduce(call.builder, x, axes, keep))
        return region.outputs[0]

    return lower


_REDUCTIONS: Mapping[str, Reduction] = {
    "ReduceSum": _plain("sum"), "ReduceMax": _plain("max"), "ReduceMin": _plain("min"), "ReduceProd": _plain("prod"),
    "ReduceMean": _mean, "ReduceL1": _sum_of_magnitudes, "ReduceL2": _length, "ReduceLogSum": _log_sum, "ReduceLogSumExp": _log_sum_exp,
    "ReduceSumSquare": lambda b, x, axes, keep: reductions.power_sum(b, x, 2, axes, keep=keep),
}  # fmt: skip
for _name, _reduce in _REDUCTIONS.items():
    lowers(_name)(_reduction(_name, 13 if _name == "ReduceSum" else 18, _reduce))


def _cumulative(composite: Callable[..., Tensor]) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        x, a = call.tensor(0), call.attributes
        axis = call.axis(int(call.only(1, None)), x.rank)
        return composite(call.builder, x, axis, exclusive=a.flag("exclusive", False), reverse=a.flag("reverse", False))

    return lower


lowers("CumSum", since=11)(_cumulative(reductions.cumulative_sum))
lowers("CumProd", since=26)(_cumulative(reductions.cumulative_product))
