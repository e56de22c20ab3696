"""Softmax over an axis, and gates."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import exact_divide
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation
from nncost.ir.library.activations import softmax


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
            return softmax(b, x, call["dim"], logarithm=logarithm)

        return gradient(call.builder, forward, (x,), call.tensor("grad_output"), (True,), results=(y,))[0]

    return lower


lowers("aten::_softmax_backward_data")(_softmax_backward(logarithm=False))
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
