"""Resizing: which axes change, by what factor, and how outputs are made of their neighbours."""

from __future__ import annotations

from functools import reduce

import numpy as np

from nncost.dims import is_symbolic, same
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.broadcasting import fitted
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.resized import factors_of, one_of, resized_axes, scaled_axes, stated_sizes
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.library.interpolation import CUBIC
from nncost.ir.library.resampling import COORDINATES, ROUNDINGS, Axis, Kind, Resampling, outside, taps_of
from nncost.ir.library.resize import resize_axes

_KINDS: dict[str, Kind] = {
    "nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear", "cubic": "cubic",
}  # fmt: skip

MAX_POSITIONS = 2**20
"""Elements of an axis for which it is found out, one by one, whether they lie beyond the inputs."""


@lowers("Upsample")
def _upsample_sides(call: Call) -> Tensor:
    """Opset 1: height and width by a factor each."""
    x = call.ranked(0, 4, 4)
    factors = [1.0, 1.0, *(call.attributes.number(f"{side}_scale", 1.0) for side in ("height", "width"))]
    return _resized(call, x, _asymmetric(call), scaled_axes(x.shape, dict(enumerate(factors))))


@lowers("Upsample", since=7)
def _upsample_by_attribute(call: Call) -> Tensor:
    x = call.tensor(0)
    return _resized(
        call, x, _asymmetric(call), scaled_axes(x.shape, dict(enumerate(call.attributes.numbers("scales"))))
    )


def _by_scales(call: Call) -> Tensor:
    """Every axis by a factor that is an operand."""
    x = call.tensor(0)
    return _resized(call, x, _asymmetric(call), scaled_axes(x.shape, dict(enumerate(factors_of(call, 1)))))


lowers("Upsample", since=9)(_by_scales)
lowers("Resize", since=10)(_by_scales)


def _asymmetric(call: Call) -> Resampling:
    """As the operations before opset 11 do: output n is taken from n/scale."""
    return Resampling(_kind(call), "asymmetric", "simple")


def _kind(call: Call) -> Kind:
    name = call.attributes.text("mode", "nearest")
    if name not in _KINDS:
        raise SourceError(f"the attribute 'mode' is nearest, linear or cubic, received {name!r}.")
    return _KINDS[name]


@lowers("Resize", since=11)
def _resize(call: Call) -> Tensor:
    x, a = call.tensor(0), call.attributes
    how = Resampling(
        _kind(call),
        one_of(call, "coordinate_transformation_mode", "half_pixel", COORDINATES),
        one_of(call, "nearest_mode", "round_prefer_floor", ROUNDINGS),
        a.number("cubic_coeff_a", CUBIC),
        a.flag("antialias", False),
        not a.flag("exclude_outside", False),
    )
    given = a.integers("axes")
    named = tuple(range(x.rank)) if given is None else call.axes(given, x.rank)
    x = _of_stated_batch(call, x, named)
    return _resized(call, x, how, resized_axes(call, x.shape, named, _regions(call, how, len(named))))


def _of_stated_batch(call: Call, x: Tensor, named: tuple[int, ...]) -> Tensor:
    """``x`` with as many examples as its new sizes say: a batch that is a symbol is that number, for it is not resized.

    Raise ShapeError while symbols are still to be found.
    """
    if call.has(2) and call.value(2).shape != (0,):
        return x
    sizes = dict(zip(named, stated_sizes(call, x.shape, named), strict=False))
    if 0 not in sizes or x.rank < 3 or same(x.shape[0], sizes[0]) or is_symbolic(x.shape[0]) == is_symbolic(sizes[0]):
        return x
    if x.rank == 3 and not same(x.shape[1], sizes.get(1, x.shape[1])):  # An image whose channels are its last axis.
        return x
    if not call.walk.trusting:
        raise ShapeError.of_sizes(f"{x.shape[0]} examples do not become {sizes[0]}.", x.shape[0], sizes[0])
    return fitted(call, x, (sizes[0], *x.shape[1:]))


def _regions(call: Call, how: Resampling, count: int) -> list[tuple[float, float]]:
    """The part of each axis that is cut out; all of it unless that is what coordinates mean."""
    if how.coordinates != "tf_crop_and_resize":
        return [(0.0, 1.0)] * count
    values = [float(value) for value in call.array(1).reshape(-1)]
    if len(values) != 2 * count:
        raise ShapeError(f"a part of {count} axes has {2 * count} bounds, received {len(values)}.")
    return list(zip(values[:count], values[count:], strict=True))


# ------------------------------------------------------------------- the graph
def _resized(call: Call, x: Tensor, how: Resampling, axes: dict[int, Axis]) -> Tensor:
    changed = {axis: each for axis, each in axes.items() if not _is_same(each)}
    shape = tuple(axes[axis].output if axis in axes else size for axis, size in enumerate(x.shape))
    if how.antialias and any(
        is_symbolic(each.scale) and not isinstance(each.scale, float) for each in changed.values()
    ):
        raise Unlowered("a filter as wide as a symbolic size says")
    if how.antialias and how.kind == "nearest":
        raise SourceError("antialias has no meaning for nearest neighbours.")
    if not changed:
        return call.builder.map("identity", x)
    b, is_rounded = call.builder, how.kind != "nearest" and x.dtype in INTEGER_DTYPES
    wide = b.emit(ops.Cast("float32"), x) if is_rounded else x
    taps = {axis: taps_of(how, each) for axis, each in changed.items()}
    y = resize_axes(b, wide, taps, shape, together=not how.antialias)
    y = _extrapolated(b, y, how, changed, call.attributes.number("extrapolation_value", 0.0))
    return b.emit(ops.Cast(x.dtype), _limited(b, y, x.dtype)) if is_rounded else y


def _is_same(axis: Axis) -> bool:
    return axis.output == axis.size and axis.scale == 1 and axis.roi == (0.0, 1.0)


def _extrapolated(b: Builder, y: Tensor, how: Resampling, axes: dict[int, Axis], value: float) -> Tensor:
    """A number in place of outputs beyond the inputs: which ones is known, 1 cmp for each output."""
    if how.coordinates != "tf_crop_and_resize":
        return y
    if any(map(is_symbolic, y.shape)):
        raise Unlowered("a part of a symbolic size")
    if any(int(each.output) > MAX_POSITIONS for each in axes.values()):
        raise Unlowered(f"a part that is resized to more than {MAX_POSITIONS} elements")
    beyond = {axis: outside(how, each) for axis, each in axes.items()}
    if not any(mask.any() for mask in beyond.values()):
        return y
    masks = [mask.reshape([-1 if n == axis else 1 for n in range(y.rank)]) for axis, mask in beyond.items()]
    sizes = tuple(y.shape[axis] if axis in beyond else 1 for axis in range(y.rank))
    mask = b.emit(ops.Constant("array", sizes, "bool", lambda: reduce(np.logical_or, masks)))
    return b.map("select", b.broadcast(mask, y.shape), b.full((), value, y.dtype), y)


def _limited(b: Builder, y: Tensor, dtype: str) -> Tensor:
    """Rounded into the range of a type of whole numbers: 2 cmp."""
    limits = np.iinfo(dtype)
    return b.map("clip", b.map("round", y), *(b.full((), float(limit), y.dtype) for limit in (limits.min, limits.max)))
