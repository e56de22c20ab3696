"""Resizing: which axes change, by what factor, and how outputs are made of their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, cast

import numpy as np

from nncost.dims import Dim, Shape, floor_divide, is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
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
MAX_DENOMINATOR = 4096
"""Of the fraction that a factor of a symbolic size stands for."""


@lowers("Upsample")
def _upsample_sides(call: Call) -> Tensor:
    """Opset 1: height and width by a factor each."""
    x = call.ranked(0, 4, 4)
    factors = [1.0, 1.0, *(call.attributes.number(f"{side}_scale", 1.0) for side in ("height", "width"))]
    return _resized(call, x, _asymmetric(call), _scaled(x.shape, dict(enumerate(factors))))


@lowers("Upsample", since=7)
def _upsample_by_attribute(call: Call) -> Tensor:
    x = call.tensor(0)
    return _resized(call, x, _asymmetric(call), _scaled(x.shape, dict(enumerate(call.attributes.numbers("scales")))))


def _by_scales(call: Call) -> Tensor:
    """Every axis by a factor that is an operand."""
    x = call.tensor(0)
    return _resized(call, x, _asymmetric(call), _scaled(x.shape, dict(enumerate(_factors(call, 1)))))


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


def _factors(call: Call, position: int) -> list[float]:
    values = call.array(position).reshape(-1).tolist()
    if not all(isinstance(value, float) and value > 0 for value in values):
        raise Unlowered("factors that are symbols" if values and not isinstance(values[0], float) else "factors of 0")
    return cast("list[float]", values)


@lowers("Resize", since=11)
def _resize(call: Call) -> Tensor:
    x, a = call.tensor(0), call.attributes
    how = Resampling(
        _kind(call),
        _one_of(call, "coordinate_transformation_mode", "half_pixel", COORDINATES),
        _one_of(call, "nearest_mode", "round_prefer_floor", ROUNDINGS),
        a.number("cubic_coeff_a", CUBIC),
        a.flag("antialias", False),
        not a.flag("exclude_outside", False),
    )
    given = a.integers("axes")
    named = tuple(range(x.rank)) if given is None else call.axes(given, x.rank)
    return _resized(call, x, how, _axes(call, x.shape, named, _regions(call, how, len(named))))


def _one_of(call: Call, attribute: str, default: str, known: Any) -> str:
    name = call.attributes.text(attribute, default)
    if name not in known:
        raise SourceError(f"the attribute {attribute!r} is one of {', '.join(known)}, received {name!r}.")
    return name


def _regions(call: Call, how: Resampling, count: int) -> list[tuple[float, float]]:
    """The part of each axis that is cut out; all of it unless that is what coordinates mean."""
    if how.coordinates != "tf_crop_and_resize":
        return [(0.0, 1.0)] * count
    values = [float(value) for value in call.array(1).reshape(-1)]
    if len(values) != 2 * count:
        raise ShapeError(f"a part of {count} axes has {2 * count} bounds, received {len(values)}.")
    return list(zip(values[:count], values[count:], strict=True))


# ------------------------------------------------------------------- sizes
def _axes(call: Call, shape: Shape, named: Sequence[int], regions: Sequence[tuple[float, float]]) -> dict[int, Axis]:
    """The named axes with their factors, or the factors that follow from their sizes."""
    parts = dict(zip(named, regions, strict=True))
    if call.has(2) and call.value(2).shape != (0,):
        return _scaled(shape, dict(zip(named, _factors(call, 2), strict=True)), parts)
    sizes = call.integers(3)
    if len(sizes) != len(named):
        raise ShapeError(f"{len(sizes)} sizes for {len(named)} axes.")
    policy = _one_of(call, "keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller"))
    factors = [_quotient(size, shape[axis]) for axis, size in zip(named, sizes, strict=True)]
    if policy != "stretch":
        if any(map(is_symbolic, (*sizes, *shape))):
            raise Unlowered("the aspect ratio of a symbolic size")
        factor = (min if policy == "not_larger" else max)(factors)
        factors = [factor] * len(named)
        sizes = [int(factor * cast("int", shape[axis]) + 0.5) for axis in named]
    every = zip(named, sizes, factors, strict=True)
    return {axis: Axis(shape[axis], size, factor, parts[axis]) for axis, size, factor in every}


def _quotient(size: Dim, length: Dim) -> Any:
    return 1.0 if size is length or size == length else size / length


def _scaled(
    shape: Shape, factors: dict[int, float], parts: dict[int, tuple[float, float]] | None = None
) -> dict[int, Axis]:
    if set(factors) - set(range(len(shape))):
        raise ShapeError(f"{len(factors)} factors for {len(shape)} axes.")
    regions = parts or {}
    return {
        axis: Axis(shape[axis], _grown(shape[axis], factor), factor, regions.get(axis, (0.0, 1.0)))
        for axis, factor in factors.items()
    }


def _grown(size: Dim, factor: float) -> Dim:
    """⌊size·factor⌋ in single precision, as the standard computes it; a factor of a symbol is a fraction."""
    if not is_symbolic(size):
        return int(np.floor(np.float32(size) * np.float32(factor)))
    exact = Fraction(factor).limit_denominator(MAX_DENOMINATOR)
    return floor_divide(size * exact.numerator, exact.denominator)


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
