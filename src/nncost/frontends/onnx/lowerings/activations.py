"""Activation layers; their outputs count as activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nncost.dims import product
from nncost.errors import SourceError
from nncost.frontends.onnx.broadcasting import check_broadcast
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation, prelu, softmax


def _layer(name: str, **defaults: float) -> Callable[[Call], Tensor]:
    """An activation of ``ir.library``; its settings are attributes, in the order of the composite."""

    def lower(call: Call) -> Tensor:
        settings = (call.attributes.number(attribute, default) for attribute, default in defaults.items())
        return activation(call.builder, name, call.tensor(0), *settings)

    return lower


for _operation in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish"):
    lowers(_operation)(_layer(_operation.lower()))
for _operation, _lower in {
    "LeakyRelu": _layer("leaky_relu", alpha=0.01),
    "Elu": _layer("elu", alpha=1.0),
    "Selu": _layer("selu", alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),  # as ONNX writes them
    "HardSigmoid": _layer("hardsigmoid", alpha=0.2, beta=0.5),
    "ThresholdedRelu": _layer("thresholded_relu", alpha=1.0),
    "Shrink": _layer("shrink", lambd=0.5, bias=0.0),
}.items():
    lowers(_operation)(_lower)


@lowers("Celu")
def _celu(call: Call) -> Tensor:
    if call.attributes.number("alpha", 1.0) == 0:
        raise SourceError("the attribute 'alpha' must not be 0.")
    return _layer("celu", alpha=1.0)(call)


@lowers("Gelu", since=20)
def _gelu(call: Call) -> Tensor:
    form = call.attributes.text("approximate", "none")
    if form not in ("none", "tanh"):
        raise SourceError(f"the attribute 'approximate' is none or tanh, received {form!r}.")
    return activation(call.builder, "gelu" if form == "none" else "gelu_tanh", call.tensor(0))


@lowers("PRelu")
def _prelu(call: Call) -> Tensor:
    """Before opset 7 a vector is one slope per channel."""
    x, slope = call.tensor(0), call.tensor(1, "weight")
    if call.opset < 7 and slope.rank == 1 and slope.shape[0] != 1 and x.rank > 1:
        slope = call.builder.reshape(slope, (*slope.shape, *(1,) * (x.rank - 2)))
    check_broadcast(slope.shape, x.shape)
    return prelu(call.builder, x, slope)


@lowers("Clip")
def _clip(call: Call) -> Tensor:
    """min(max(x, low), high); the pairs that networks use as activations are activation layers."""
    b, x = call.builder, call.tensor(0)
    if call.opset < 11:
        low: float | None = call.attributes.number("min", 0.0) if "min" in call.attributes else None
        high: float | None = call.attributes.number("max", 0.0) if "max" in call.attributes else None
    elif any(call.has(n) and call.scalar(n) is None for n in (1, 2)):
        return _between(call, x)
    else:
        low, high = (call.scalar(n) if call.has(n) else None for n in (1, 2))
    name = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hardtanh"}.get((low, high))  # type: ignore[arg-type]
    if name is not None and "float" in x.dtype:
        return activation(b, name, x)
    if low == 0.0 and high is None and "float" in x.dtype:
        return activation(b, "relu", x)
    if low is not None and high is not None:
        return b.map("clip", x, low, high)
    x = b.map("identity", x) if low is None else b.map("max", x, low)
    return x if high is None else b.map("min", x, high)


def _between(call: Call, x: Tensor) -> Tensor:
    """With bounds that are computed: 1 cmp with each that is given."""
    for position, function in ((1, "max"), (2, "min")):
        if call.has(position):
            x = call.builder.map(function, x, call.builder.reshape(call.constant(position), ()))
    return x


def _softmax(call: Call, *, logarithm: bool) -> Tensor:
    """Before opset 13 all axes from ``axis`` on are one; from then on it is a single axis."""
    b, x = call.builder, call.tensor(0)
    if call.opset >= 13:
        axis = call.axis(call.attributes.integer("axis", -1), x.rank)
        return softmax(b, x, axis, layer=True, logarithm=logarithm)
    first = call.attributes.integer("axis", 1)
    first = x.rank if first == x.rank else call.axis(first, x.rank)
    wide = [axis for axis in range(first, x.rank) if x.shape[axis] != 1]
    if len(wide) <= 1 and first < x.rank:
        return softmax(b, x, wide[0] if wide else first, layer=True, logarithm=logarithm)
    flat = b.reshape(x, (product(x.shape[:first]), product(x.shape[first:])))
    return b.reshape(softmax(b, flat, layer=True, logarithm=logarithm), x.shape)


lowers("Softmax")(partial(_softmax, logarithm=False))
lowers("LogSoftmax")(partial(_softmax, logarithm=True))
