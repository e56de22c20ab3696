"""Random numbers: one each, of whichever distribution; which ones a seed gives is a library's own."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import Shape
from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import drawing

Draw = Callable[[Call, Builder, Shape], Tensor]


def _uniform(call: Call, b: Builder, shape: Shape) -> Tensor:
    low, high = call.attributes.number("low", 0.0), call.attributes.number("high", 1.0)
    return drawing.uniform(b, shape, low, high)


def _normal(call: Call, b: Builder, shape: Shape) -> Tensor:
    return drawing.normal(b, shape, call.attributes.number("mean", 0.0), call.attributes.number("scale", 1.0))


def _drawn(draw: Draw, *, like: bool) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        shape = call.value(0).shape if like else tuple(call.attributes.integers("shape") or [])
        if not like and "shape" not in call.attributes:
            raise SourceError("the attribute 'shape' is missing.")
        dtype = _dtype(call, call.value(0).dtype if like else "float32")
        return drawing.in_type(call.builder, draw(call, call.builder, shape), dtype)

    return lower


def _dtype(call: Call, default: str) -> str:
    """The type of the numbers; what is drawn like whole numbers is of single precision."""
    if "dtype" not in call.attributes:
        return default if "float" in default else "float32"
    dtype = call.walk.types.coded(call.attributes.integer("dtype", 1))
    if dtype is None:
        raise Unlowered("it makes text")
    return dtype


for _name, _draw in (("RandomUniform", _uniform), ("RandomNormal", _normal)):
    lowers(_name)(_drawn(_draw, like=False))
    lowers(f"{_name}Like")(_drawn(_draw, like=True))


@lowers("Bernoulli", since=15)
def _bernoulli(call: Call) -> Lowered:
    """One where a random number is below the chance: 1 random, 1 cmp."""
    chance = call.tensor(0)
    dtype = _named(call) or chance.dtype
    return drawing.bernoulli(call.builder, chance, dtype)


@lowers("Multinomial", since=7)
def _multinomial(call: Call) -> Lowered:
    """Classes drawn by the logarithms of their chances."""
    logits = call.ranked(0, 2, 2)
    return drawing.multinomial(call.builder, logits, call.attributes.integer("sample_size", 1), _named(call) or "int32")


def _named(call: Call) -> str | None:
    return call.walk.types.coded(call.attributes.integer("dtype", 1)) if "dtype" in call.attributes else None
