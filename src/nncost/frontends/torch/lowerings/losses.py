"""Loss functions that PyTorch runs as one operator."""

from __future__ import annotations

from nncost.frontends.torch.lowering import Call, Lowered, lowers
from nncost.frontends.torch.lowerings.operands import elementwise
from nncost.ir import ops
from nncost.ir.graph import Tensor

NONE, MEAN = 0, 1
"""PyTorch's numbers for ``reduction``."""


def _reduced(call: Call, x: Tensor) -> Tensor:
    b, reduction = call.builder, call.get("reduction", MEAN)
    if reduction == NONE:
        return x
    return b.mean(x, range(x.rank)) if reduction == MEAN else b.reduce("sum", x, range(x.rank))


@lowers("aten::mse_loss")
def _mse(call: Call) -> Tensor:
    """The mean of (x − t)²."""
    return _reduced(call, elementwise(call, "square", elementwise(call, "sub", call["self"], call["target"])))


@lowers("aten::mse_loss_backward")
def _mse_backward(call: Call) -> Tensor:
    """g·(2/n)·(x − t): the factor is a constant."""
    b = call.builder
    difference = elementwise(call, "sub", call["self"], call["target"])
    return b.map(
        "mul", elementwise(call, "mul", difference, 2.0), b.broadcast(call.tensor("grad_output"), difference.shape)
    )


@lowers("aten::nll_loss_forward", "aten::nll_loss2d_forward")
def _nll(call: Call) -> Lowered:
    """The chosen log-probabilities, averaged (weights by class: 1 mul each)."""
    b, x, target = call.builder, call.tensor("self"), call.tensor("target")
    axis = x.rank - 1 if x.rank < 3 else 1
    place = (
        b.reshape(target, (*target.shape[:axis], 1, *target.shape[axis:])) if x.rank > 1 else b.reshape(target, (1,))
    )
    chosen = b.map("neg", b.reshape(b.emit(ops.Gather(axis, along=True), x, place), target.shape))
    weight = call.get("weight")
    if weight is not None:
        chosen = b.map("mul", chosen, b.emit(ops.Gather(0), weight, target))
    return _reduced(call, chosen), None


@lowers("aten::nll_loss_backward", "aten::nll_loss2d_backward")
def _nll_backward(call: Call) -> Tensor:
    """−g/n at each target, zero elsewhere: one value is made, then put."""
    b, x, target = call.builder, call.tensor("self"), call.tensor("target")
    g = call.tensor("grad_output")
    value = b.map("neg", b.map("div", g, float(1)) if call.get("reduction", MEAN) == MEAN else g)
    whole = b.broadcast(value, x.shape) if value.rank == 0 else value
    del target
    return (
        b.map("identity", whole)
        if whole.shape == x.shape
        else b.broadcast(b.reshape(whole, _unsqueezed(whole, x)), x.shape)
    )


def _unsqueezed(whole: Tensor, x: Tensor) -> tuple[object, ...]:
    return (*whole.shape[:1], 1, *whole.shape[1:])


@lowers("aten::binary_cross_entropy")
def _bce(call: Call) -> Tensor:
    """−(t·log x + (1−t)·log(1−x))."""
    x, t = call["self"], call["target"]
    first = elementwise(call, "mul", t, elementwise(call, "log", x))
    rest = elementwise(call, "log", elementwise(call, "sub", 1.0, x))
    second = elementwise(call, "mul", elementwise(call, "sub", 1.0, t), rest)
    total = call.builder.map("neg", call.builder.map("add", first, second))
    weight = call.get("weight")
    return _reduced(call, total if weight is None else elementwise(call, "mul", total, weight))


@lowers("aten::binary_cross_entropy_backward")
def _bce_backward(call: Call) -> Tensor:
    """g·(x − t)/(x·(1−x))."""
    x, t = call["self"], call["target"]
    below = elementwise(call, "mul", x, elementwise(call, "sub", 1.0, x))
    slope = elementwise(call, "div", elementwise(call, "sub", x, t), below)
    return elementwise(call, "mul", slope, call["grad_output"])
