"""Activation functions, softmax and gates, and their gradients."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.frontends.torch.lowerings.gradient import Forward, Make, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import closed_form, elementwise, typed
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import gates
from nncost.ir.library.activations import activation, prelu, softmax
from nncost.ir.library.counts import scaled


def _number(call: Call, name: str, default: float) -> float:
    """An option of the call as a float."""
    return float(call.get(name, default))


def _layer(name: str, **settings: float) -> Make:
    """An activation of ``ir.library`` with the settings of the call, by PyTorch's names and with its defaults."""

    def make(call: Call) -> Forward:
        given = [_number(call, setting, default) for setting, default in settings.items()]
        return lambda b, x: activation(b, name, x, *given)

    return make


def _gelu(call: Call) -> Forward:
    return _layer("gelu_tanh" if call.get("approximate", "none") == "tanh" else "gelu")(call)


_LAYERS: Mapping[str, Make] = {
    **{name: _layer(name) for name in (
        "relu", "relu6", "sigmoid", "tanh", "silu", "mish", "hardsigmoid", "hardswish",
    )},
    "gelu": _gelu,
    "elu": _layer("elu", alpha=1.0, scale=1.0, input_scale=1.0),
    "celu": _layer("celu", alpha=1.0),
    "leaky_relu": _layer("leaky_relu", negative_slope=0.01),
    "hardtanh": _layer("hardtanh", min_val=-1.0, max_val=1.0),
    "softplus": _layer("softplus", beta=1.0),
    "threshold": _layer("threshold", threshold=0.0, value=0.0),
    "hardshrink": _layer("hardshrink", lambd=0.5),
    "softshrink": _layer("softshrink", lambd=0.5),
}  # fmt: skip
for _name, _make in _LAYERS.items():
    lowers(f"aten::{_name}")(composite(_make, lambda call: typed(call, "self")))
lowers("aten::log_sigmoid_forward")(composite(_layer("log_sigmoid"), "self"))
lowers("aten::_prelu_kernel", "aten::prelu")(composite(lambda _: prelu, "self", "weight"))


# -------------------------------------------------------------------- gradients
def _from_output(make: Make, name: str = "output") -> Lowering:
    """The derivative from the output, which PyTorch saved."""
    return composite_gradient(make, lambda call: Tensor(call.tensor(name).shape, call.tensor(name).dtype), saved=name)


for _name in ("silu", "mish", "hardsigmoid", "hardswish", "hardtanh", "gelu", "leaky_relu", "softplus"):
    lowers(f"aten::{_name}_backward")(composite_gradient(_LAYERS[_name], "self"))
for _name in ("sigmoid", "tanh"):
    lowers(f"aten::{_name}_backward")(_from_output(_LAYERS[_name]))
lowers("aten::log_sigmoid_backward")(composite_gradient(_layer("log_sigmoid"), "self"))
lowers("aten::_prelu_kernel_backward")(  # the slope's gradient is summed by the caller
    composite_gradient(
        lambda _: prelu, "self", lambda call: call.builder.broadcast(call.tensor("weight"), call.tensor("self").shape)
    )
)


@lowers("aten::elu_backward")
def _elu_backward(call: Call) -> Lowered:
    """From the output, which has the sign of the input, or from the input."""
    saved = "self_or_result" if call.get("is_result", False) else ""
    return composite_gradient(_LAYERS["elu"], "self_or_result", saved=saved)(call)


@lowers("aten::threshold_backward")
def _threshold_backward(call: Call) -> Tensor:
    """ReLU's gradient: 1 cmp; behind another threshold 2."""
    limit = _number(call, "threshold", 0.0)
    if limit != 0:
        above = elementwise(call, "greater", call["self"], limit)
        return call.builder.map("select", above, call["grad_output"], 0.0)
    return elementwise(call, "where_positive", call["self"], call["grad_output"], 0.0)


@lowers("aten::softshrink_backward", "aten::hardshrink_backward")
def _shrink_backward(call: Call) -> Tensor:
    """The gradient if |x| > λ, else zero: 2 cmp."""
    g = call["grad_output"] if "grad_output" in call.arguments else call["grad_out"]
    outside = elementwise(call, "greater", call.builder.map("abs", call.tensor("self")), _number(call, "lambd", 0.5))
    return call.builder.map("select", outside, g, 0.0)


# -------------------------------------------------------------------- leaky rectifiers with random slopes
def _bounds(call: Call) -> tuple[float, float]:
    return _number(call, "lower", 1 / 8), _number(call, "upper", 1 / 3)


@lowers("aten::rrelu_with_noise", "aten::rrelu_with_noise_functional")
def _rrelu(call: Call) -> Lowered:
    """A leaky ReLU; in training its slope is drawn per element."""
    b, x, bounds = call.builder, call.tensor("self"), _bounds(call)
    if call.get("training", False):
        return gates.random_leaky_relu(b, x, *bounds), None
    return activation(b, "rrelu", x, sum(bounds) / 2), None


@lowers("aten::rrelu_with_noise_backward")
def _rrelu_backward(call: Call) -> Tensor:
    """The gradient times the slope that was drawn (1 mul); in inference times the mean slope if x ≤ 0 (1 cmp, 1 mul)."""
    g = call["grad_output"]
    if call.get("training", False):
        return elementwise(call, "mul", g, call["noise"])
    return elementwise(call, "where_positive", call["self"], g, elementwise(call, "mul", g, sum(_bounds(call)) / 2))


# -------------------------------------------------------------------- softmax and gates
def _softmax(*, logarithm: bool) -> Make:
    """A layer of its own over rows of a matrix; between more axes it is attention's."""

    def make(call: Call) -> Forward:
        def apply(b: Builder, x: Tensor) -> Tensor:
            if x.rank == 0:
                return b.map("identity", x)
            return softmax(b, x, call.get("dim", -1), layer=x.rank <= 2, logarithm=logarithm)

        return apply

    return make


for _kind, _make in (("softmax", _softmax(logarithm=False)), ("log_softmax", _softmax(logarithm=True))):
    lowers(f"aten::_{_kind}", f"aten::{_kind}")(composite(_make, lambda call: typed(call, "self")))
    lowers(f"aten::_{_kind}_backward_data")(_from_output(_make))
lowers("aten::_masked_softmax_backward")(_from_output(_softmax(logarithm=False)))


def _glu(call: Call) -> Forward:
    return lambda b, x: gates.glu(b, x, call.get("dim", -1))


lowers("aten::glu")(composite(_glu, "self"))
lowers("aten::glu_backward")(composite_gradient(_glu, "self"))
# Forward-mode gradients of a gate: some four products, two sums and a sigmoid per element.
lowers("aten::glu_jvp", "aten::glu_backward_jvp")(
    closed_form(lambda call: scaled({"mul": 4, "add": 2, "sigmoid": 1}, call.elements), estimated=True)
)
