"""Activation functions and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation
from nncost.ir.library.activations import activation

Compute = Callable[[Builder, Tensor], Tensor]
_PLAIN = {
    "relu": "relu", "relu6": "relu6", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "mish": "mish",
    "hardsigmoid": "hardsigmoid", "hardswish": "hardswish", "softsign": "softsign",
}  # fmt: skip


def _layer(name: str, *settings: float) -> Compute:
    return lambda b, x: activation(b, name, x, *settings)


def custom(layer: Activation, pair: Any) -> Compute:
    """An activation with its own numbers as a layer."""
    compute, rule = pair

    def apply(b: Builder, x: Tensor) -> Tensor:
        with b.region(layer, x, activations=x.elements) as region:
            region.returns(compute(b, x), gradient=rule)
        return region.outputs[0]

    return apply


def number(call: Call, name: str, default: float) -> float:
    """An option of the call as a float."""
    return float(call.get(name, default))


def _gelu(call: Call) -> Compute:
    return _layer("gelu_tanh" if call.get("approximate", "none") == "tanh" else "gelu")


def _elu(call: Call) -> Compute:
    numbers = [number(call, name, 1.0) for name in ("alpha", "scale", "input_scale")]
    return _layer("elu", *numbers)


def _leaky(call: Call) -> Compute:
    return _layer("leaky_relu", number(call, "negative_slope", 0.01))


def _clip(call: Call) -> Compute:
    low, high = call.get("min_val", call.get("min", -1.0)), call.get("max_val", call.get("max", 1.0))
    return _layer("hardtanh", float(low), float(high))


def _softplus(call: Call) -> Compute:
    """Log(1 + e^(βx))/β; a β of one is free."""
    beta = number(call, "beta", 1.0)
    if beta == 1.0:
        return _layer("softplus")

    def compute(b: Builder, x: Tensor) -> Tensor:
        return b.map("div", b.map("log", b.map("add", 1.0, b.map("exp", b.map("mul", beta, x)))), beta)

    return custom(Activation("softplus", (beta,)), (compute, None))


def _log_sigmoid(call: Call) -> Compute:
    def compute(b: Builder, x: Tensor) -> Tensor:
        return b.map("log", b.map("sigmoid", x))

    return custom(Activation("log_sigmoid"), (compute, None))


def _plain(name: str) -> Callable[[Call], Compute]:
    return lambda call: _layer(name)


_FORWARD: dict[str, Callable[[Call], Compute]] = {
    **{name: _plain(layer) for name, layer in _PLAIN.items()},
    "gelu": _gelu, "elu": _elu, "leaky_relu": _leaky, "hardtanh": _clip, "softplus": _softplus,
}  # fmt: skip


def _lower(make: Callable[[Call], Compute]) -> Callable[[Call], Tensor]:
    return lambda call: make(call)(call.builder, cast(call.builder, call.tensor("self"), call.dtype))


for _name, _make in _FORWARD.items():
    lowers(f"aten::{_name}")(_lower(_make))


@lowers("aten::log_sigmoid_forward")
def _log_sigmoid_forward(call: Call) -> Lowered:
    y = _log_sigmoid(call)(call.builder, call.tensor("self"))
    return y, None


@lowers("aten::_prelu_kernel", "aten::prelu")
def _prelu(call: Call) -> Tensor:
    return _prelu_of(call.builder, call.tensor("self"), call.tensor("weight"))


def _prelu_of(b: Builder, x: Tensor, slope: Tensor) -> Tensor:
    """X where positive, slope·x elsewhere: 1 mul, 1 cmp."""
    with b.region(Activation("prelu"), x, slope, activations=x.elements) as region:
        region.returns(b.map("where_positive", x, x, b.map("mul", slope, x)))
    return region.outputs[0]


@lowers("aten::_prelu_kernel_backward")
def _prelu_backward(call: Call) -> Lowered:
    x = call.tensor("self")
    pair = (x, call.builder.broadcast(call.tensor("weight"), x.shape))  # summed by who called
    return gradient(call.builder, _prelu_of, pair, call.tensor("grad_output"), (True, True))


def _backward(make: Callable[[Call], Compute], saved: str) -> Callable[[Call], Lowered]:
    """The derivative from the input (``self``) or, where PyTorch saved it, from the output (``output``)."""

    def lower(call: Call) -> Lowered:
        b, g = call.builder, call.tensor("grad_output")
        given = call.tensor(saved)
        x = Tensor(given.shape, given.dtype) if saved in ("output", "result") else given
        results = (given,) if saved in ("output", "result") else ()
        return gradient(b, make(call), (x,), g, (True,), results=results)[0]

    return lower


for _name, _make, _saved in (
    ("sigmoid_backward", _plain("sigmoid"), "output"),
    ("tanh_backward", _plain("tanh"), "output"),
    ("silu_backward", _plain("silu"), "self"),
    ("mish_backward", _plain("mish"), "self"),
    ("hardsigmoid_backward", _plain("hardsigmoid"), "self"),
    ("hardswish_backward", _plain("hardswish"), "self"),
    ("hardtanh_backward", _clip, "self"),
    ("gelu_backward", _gelu, "self"),
    ("leaky_relu_backward", _leaky, "self"),
    ("softplus_backward", _softplus, "self"),
    ("log_sigmoid_backward", _log_sigmoid, "self"),
):
    lowers(f"aten::{_name}")(_backward(_make, _saved))


@lowers("aten::elu_backward")
def _elu_backward(call: Call) -> Lowered:
    """From the output, which has the sign of the input, or from the input."""
    given = call.tensor("self_or_result")
    results = (given,) if call.get("is_result", False) else ()
    return gradient(call.builder, _elu(call), (given,), call.tensor("grad_output"), (True,), results=results)[0]


@lowers("aten::threshold_backward")
def _threshold_backward(call: Call) -> Tensor:
    """ReLU's gradient: 1 cmp; behind another threshold 2."""
    limit = number(call, "threshold", 0.0)
    if limit != 0:
        above = elementwise(call, "greater", call["self"], limit)
        return call.builder.map("select", above, call["grad_output"], 0.0)
    return elementwise(call, "where_positive", call["self"], call["grad_output"], 0.0)
