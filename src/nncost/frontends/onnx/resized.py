"""The axes that a resizing changes, by the factors or the sizes that a node states."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np

from nncost.dims import Dim, Shape, floor_divide, is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.library.resampling import Axis

MAX_DENOMINATOR = 4096
"""Of the fraction that a factor of a symbolic size stands for."""


def one_of(call: Call, attribute: str, default: str, known: Any) -> str:
    """The text of an attribute. Raise SourceError for one that is not known."""
    name = call.attributes.text(attribute, default)
    if name not in known:
        raise SourceError(f"the attribute {attribute!r} is one of {', '.join(known)}, received {name!r}.")
    return name


def factors_of(call: Call, position: int) -> list[float]:
    """The numbers of an operand by which sizes grow. Raise Unlowered for symbols."""
    values = call.array(position).reshape(-1).tolist()
    if not all(isinstance(value, float) and value > 0 for value in values):
        raise Unlowered("factors that are symbols" if values and not isinstance(values[0], float) else "factors of 0")
    return cast("list[float]", values)


def resized_axes(
    call: Call, shape: Shape, named: Sequence[int], regions: Sequence[tuple[float, float]]
) -> dict[int, Axis]:
    """The named axes with their factors, or the factors that follow from their sizes."""
    parts = dict(zip(named, regions, strict=True))
    if call.has(2) and call.value(2).shape != (0,):
        return scaled_axes(shape, dict(zip(named, factors_of(call, 2), strict=True)), parts)
    sizes = stated_sizes(call, shape, named)
    if len(sizes) != len(named):
        raise ShapeError(f"{len(sizes)} sizes for {len(named)} axes.")
    policy = one_of(call, "keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller"))
    factors = [_quotient(size, shape[axis]) for axis, size in zip(named, sizes, strict=True)]
    if policy != "stretch":
        if any(map(is_symbolic, (*sizes, *shape))):
            raise Unlowered("the aspect ratio of a symbolic size")
        factor = (min if policy == "not_larger" else max)(factors)
        factors = [factor] * len(named)
        sizes = [int(factor * cast("int", shape[axis]) + 0.5) for axis in named]
    every = zip(named, sizes, factors, strict=True)
    return {axis: Axis(shape[axis], size, factor, parts[axis]) for axis, size, factor in every}


def stated_sizes(call: Call, shape: Shape, named: Sequence[int]) -> list[Dim]:
    """The sizes that the named axes get, with the batch of the caller where the file has its own."""
    sizes = call.integers(3)
    return call.with_new_batch(shape, sizes) if tuple(named[:1]) == (0,) else sizes


def _quotient(size: Dim, length: Dim) -> Any:
    return 1.0 if size is length or size == length else size / length


def scaled_axes(
    shape: Shape, factors: dict[int, float], parts: dict[int, tuple[float, float]] | None = None
) -> dict[int, Axis]:
    """The axes that grow by these factors; ``parts`` of them are cut out."""
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
