"""Activation functions with a threshold: shrinking, random slopes."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.activations import custom, number
from nncost.frontends.torch.lowerings.operands import elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation
from nncost.ir.library.activations import leaky_relu


@lowers("aten::rrelu_with_noise", "aten::rrelu_with_noise_functional")
def _rrelu(call: Call) -> Lowered:
    """A leaky ReLU; in training its slope is drawn for each element (1 random, 1 mul, 1 add more)."""
    b, x = call.builder, call.tensor("self")
    low, high = number(call, "lower", 1 / 8), number(call, "upper", 1 / 3)
    if not call.get("training", False):
        return custom(Activation("rrelu"), leaky_relu((low + high) / 2))(b, x), None
    with b.region(Activation("rrelu"), x, activations=x.elements) as region:
        noise = b.map("add", b.map("mul", b.emit(ops.Random(x.shape)), high - low), low)
        region.returns(b.map("where_positive", x, x, b.map("mul", x, noise)))
    return region.outputs[0], None


@lowers("aten::rrelu_with_noise_backward")
def _rrelu_backward(call: Call) -> Tensor:
    """The gradient times the slope that was drawn (1 mul); in inference times the mean slope where x ≤ 0 (1 cmp, 1 mul)."""
    g = call["grad_output"]
    if call.get("training", False):
        return elementwise(call, "mul", g, call["noise"])
    slope = (number(call, "lower", 1 / 8) + number(call, "upper", 1 / 3)) / 2
    return elementwise(call, "where_positive", call["self"], g, elementwise(call, "mul", g, slope))


@lowers("aten::hardshrink")
def _hardshrink(call: Call) -> Tensor:
    """X outside ±λ, zero inside: 2 cmp (x between −λ and λ)."""
    b, x = call.builder, call.tensor("self")
    limit = number(call, "lambd", 0.5)
    with b.region(Activation("hardshrink", (limit,)), x, activations=x.elements) as region:
        region.returns(_shrunk(b, x, x, limit))
    return region.outputs[0]


def _shrunk(b: Builder, x: Tensor, value: Tensor, limit: float) -> Tensor:
    """``value`` where |x| > λ."""
    outside = b.map("greater", b.map("abs", x), limit)
    return b.map("select", outside, value, 0.0)


@lowers("aten::softshrink")
def _softshrink(call: Call) -> Tensor:
    """Towards zero by λ: sign(x)·max(|x| − λ, 0): 1 add, 1 cmp, 1 mul."""
    b, x, limit = call.builder, call.tensor("self"), number(call, "lambd", 0.5)
    with b.region(Activation("softshrink", (limit,)), x, activations=x.elements) as region:
        left = b.map("relu", b.map("sub", b.map("abs", x), limit))
        region.returns(b.map("mul", b.map("sign", x), left))
    return region.outputs[0]


@lowers("aten::softshrink_backward", "aten::hardshrink_backward")
def _shrink_backward(call: Call) -> Tensor:
    """The gradient where |x| > λ: 2 cmp."""
    g = call["grad_output"] if "grad_output" in call.arguments else call["grad_out"]
    return _shrunk(call.builder, call.tensor("self"), g, number(call, "lambd", 0.5))


@lowers("aten::threshold")
def _threshold(call: Call) -> Tensor:
    """X above a threshold, a number elsewhere: 2 cmp."""
    b, x = call.builder, call.tensor("self")
    limit, value = number(call, "threshold", 0.0), number(call, "value", 0.0)
    with b.region(Activation("threshold", (limit, value)), x, activations=x.elements) as region:
        region.returns(b.map("select", b.map("greater", x, limit), x, value))
    return region.outputs[0]
