"""Activation functions, softmax and gates, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import exact_divide
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import algorithm, cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation
from nncost.ir.library.activations import activation, prelu, softmax

Compute = Callable[[Builder, Tensor], Tensor]
_PLAIN = {
    "relu": "relu", "relu6": "relu6", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "mish": "mish",
    "hardsigmoid": "hardsigmoid", "hardswish": "hardswish",
}  # fmt: skip


def _layer(name: str, *settings: float) -> Compute:
    return lambda b, x: activation(b, name, x, *settings)


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
    return _layer("softplus", number(call, "beta", 1.0))


def _celu(call: Call) -> Compute:
    return _layer("celu", number(call, "alpha", 1.0))


def _threshold(call: Call) -> Compute:
    return _layer("threshold", number(call, "threshold", 0.0), number(call, "value", 0.0))


def _shrink(name: str) -> Callable[[Call], Compute]:
    return lambda call: _layer(name, number(call, "lambd", 0.5))


def _plain(name: str) -> Callable[[Call], Compute]:
    return lambda call: _layer(name)


_FORWARD: dict[str, Callable[[Call], Compute]] = {
    **{name: _plain(layer) for name, layer in _PLAIN.items()},
    "gelu": _gelu, "elu": _elu, "celu": _celu, "leaky_relu": _leaky, "hardtanh": _clip, "softplus": _softplus,
    "threshold": _threshold, "hardshrink": _shrink("hardshrink"), "softshrink": _shrink("softshrink"),
}  # fmt: skip


def _lower(make: Callable[[Call], Compute]) -> Callable[[Call], Tensor]:
    return lambda call: make(call)(call.builder, cast(call.builder, call.tensor("self"), call.dtype))


for _name, _make in _FORWARD.items():
    lowers(f"aten::{_name}")(_lower(_make))


@lowers("aten::log_sigmoid_forward")
def _log_sigmoid_forward(call: Call) -> Lowered:
    return activation(call.builder, "log_sigmoid", call.tensor("self")), None


@lowers("aten::_prelu_kernel", "aten::prelu")
def _prelu(call: Call) -> Tensor:
    return prelu(call.builder, call.tensor("self"), call.tensor("weight"))


@lowers("aten::_prelu_kernel_backward")
def _prelu_backward(call: Call) -> Lowered:
    x = call.tensor("self")
    pair = (x, call.builder.broadcast(call.tensor("weight"), x.shape))  # summed by who called
    return gradient(call.builder, prelu, pair, call.tensor("grad_output"), (True, True))


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
    ("log_sigmoid_backward", _plain("log_sigmoid"), "self"),
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


@lowers("aten::rrelu_with_noise", "aten::rrelu_with_noise_functional")
def _rrelu(call: Call) -> Lowered:
    """A leaky ReLU; in training its slope is drawn for each element (1 random, 1 mul, 1 add more)."""
    b, x = call.builder, call.tensor("self")
    low, high = number(call, "lower", 1 / 8), number(call, "upper", 1 / 3)
    if not call.get("training", False):
        return activation(b, "rrelu", x, (low + high) / 2), None
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


@lowers("aten::softshrink_backward", "aten::hardshrink_backward")
def _shrink_backward(call: Call) -> Tensor:
    """The gradient where |x| > λ: 2 cmp."""
    g = call["grad_output"] if "grad_output" in call.arguments else call["grad_out"]
    outside = elementwise(call, "greater", call.builder.map("abs", call.tensor("self")), number(call, "lambd", 0.5))
    return call.builder.map("select", outside, g, 0.0)


@lowers("aten::_softmax", "aten::softmax")
def _softmax(call: Call) -> Tensor:
    return _softmax_of(call, logarithm=False)


@lowers("aten::_log_softmax", "aten::log_softmax")
def _log_softmax(call: Call) -> Tensor:
    return _softmax_of(call, logarithm=True)


def _softmax_of(call: Call, *, logarithm: bool) -> Tensor:
    """A layer of its own where it is over rows of a matrix; between more axes it is attention's."""
    x = cast(call.builder, call.tensor("self"), call.dtype)
    if x.rank == 0:
        return call.builder.map("identity", x)
    return softmax(call.builder, x, call["dim"], layer=x.rank <= 2, logarithm=logarithm)


def _softmax_backward(*, logarithm: bool) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        y = call.tensor("output")
        x = Tensor(y.shape, y.dtype)

        def forward(b: Builder, x: Tensor) -> Tensor:
            return softmax(b, x, call.get("dim", -1), logarithm=logarithm)

        return gradient(call.builder, forward, (x,), call.tensor("grad_output"), (True,), results=(y,))[0]

    return lower


lowers("aten::_softmax_backward_data", "aten::_masked_softmax_backward")(_softmax_backward(logarithm=False))
lowers("aten::_log_softmax_backward_data")(_softmax_backward(logarithm=True))


@lowers("aten::glu")
def _glu(call: Call) -> Tensor:
    return _glu_of(call.builder, call.tensor("self"), call.get("dim", -1))


def _glu_of(b: Builder, x: Tensor, dim: int) -> Tensor:
    axis = dim % x.rank
    half = exact_divide(x.shape[axis], 2)
    with b.region(Activation("glu"), x, activations=exact_divide(x.elements, 2)) as region:
        value, gate = b.emit_many(ops.Split(axis, (half, half)), x)
        region.returns(b.map("mul", value, b.map("sigmoid", gate)))
    return region.outputs[0]


@lowers("aten::glu_backward")
def _glu_backward(call: Call) -> Lowered:
    dim = call["dim"]
    return gradient(
        call.builder, lambda b, x: _glu_of(b, x, dim), (call.tensor("self"),), call.tensor("grad_output"), (True,)
    )[0]


@lowers("aten::glu_jvp", "aten::glu_backward_jvp")
def _glu_forward_mode(call: Call) -> Lowered:
    """Forward-mode gradients of a gate: some four products, two sums and a sigmoid for each element."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"mul": 4 * amount, "add": 2 * amount, "sigmoid": amount}, estimated=True)
