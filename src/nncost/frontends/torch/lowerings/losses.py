"""Loss functions that PyTorch runs as one operator, CTC included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.gradient import Forward, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import algorithm, batched, closed_form, typed
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import ctc, losses

NONE, MEAN = 0, 1
"""PyTorch's numbers for ``reduction``."""


def _is_mean(call: Call) -> bool:
    return bool(call.get("reduction", MEAN) == MEAN)


def _reduced(call: Call, b: Builder, x: Tensor) -> Tensor:
    if call.get("reduction", MEAN) == NONE:
        return x
    return b.mean(x, range(x.rank)) if _is_mean(call) else b.reduce("sum", x, range(x.rank))


def _loss(value: Callable[..., Tensor], *settings: str) -> Lowering:
    """A loss of each element, weighted if weights are given, then averaged, summed or neither."""

    def lower(call: Call) -> Tensor:
        b = call.builder
        each = value(b, typed(call, "self"), typed(call, "target"), *(float(call.get(name, 1.0)) for name in settings))
        weight = call.get("weight")
        return _reduced(call, b, each if weight is None else b.map("mul", each, weight))

    return lower


def _slope(slope: Callable[..., Tensor], *settings: str) -> Lowering:
    """The slope of each element times the incoming gradient, which a mean divides by the number of elements."""

    def lower(call: Call) -> Tensor:
        b, x, g = call.builder, typed(call, "self"), call.tensor("grad_output")
        each = slope(b, x, typed(call, "target"), *(float(call.get(name, 1.0)) for name in settings))
        if call.get("weight") is not None:
            each = b.map("mul", each, call["weight"])
        return b.map("mul", each, b.map("mul", g, b.size_constant(x.shape, inverse=True)) if _is_mean(call) else g)

    return lower


lowers("aten::mse_loss")(_loss(losses.squared_difference))
lowers("aten::binary_cross_entropy")(_loss(losses.binary_cross_entropy))
lowers("aten::binary_cross_entropy_backward")(_slope(losses.binary_cross_entropy_slope))
lowers("aten::smooth_l1_loss")(_loss(losses.smooth_l1, "beta"))
lowers("aten::smooth_l1_loss_backward")(_slope(losses.smooth_l1_slope, "beta"))
lowers("aten::huber_loss")(_loss(losses.huber, "delta"))
lowers("aten::huber_loss_backward")(_slope(losses.huber_slope, "delta"))
lowers("aten::soft_margin_loss")(_loss(losses.soft_margin))
lowers("aten::soft_margin_loss_backward")(_slope(losses.soft_margin_slope))


@lowers("aten::mse_loss_backward")
def _mse_backward(call: Call) -> Tensor:
    """(2/n)·(x − t)·g: the factor is a constant."""
    b, x = call.builder, typed(call, "self")
    factor = b.size_constant(x.shape if _is_mean(call) else (), 2.0, inverse=True)
    scaled = b.map("mul", b.map("sub", x, typed(call, "target")), factor)
    return b.map("mul", scaled, b.broadcast(call.tensor("grad_output"), x.shape))


@lowers("aten::nll_loss_forward", "aten::nll_loss2d_forward")
def _nll(call: Call) -> Lowered:
    """The chosen log-probabilities, averaged; weights by class take 1 mul each, and the mean their sum."""
    b, x, target, weight = call.builder, call.tensor("self"), call.tensor("target"), call.get("weight")
    chosen = losses.chosen_log_probability(b, x, target, x.rank - 1 if x.rank < 3 else 1)
    if weight is None:
        return _reduced(call, b, chosen), b.size_constant(target.shape)
    own = b.emit(ops.Gather(0), weight, target)
    chosen, total = b.map("mul", chosen, own), b.reduce("sum", own, range(own.rank))
    if not _is_mean(call):
        return _reduced(call, b, chosen), total
    return b.map("div", b.reduce("sum", chosen, range(chosen.rank)), total), total


@lowers("aten::nll_loss_backward", "aten::nll_loss2d_backward")
def _nll_backward(call: Call) -> Lowered:
    """−g/n at each target (1 div), times its weight (1 mul each), else zero: values are put, not added."""
    target = call.tensor("target")
    counts = {"div": int(_is_mean(call)), "mul": 0 if call.get("weight") is None else target.elements}
    return algorithm(call, counts, reads=[call.tensor("grad_output"), target])


def _multi_margin(call: Call) -> Forward:
    settings = {"power": call.get("p", 1), "margin": float(call.get("margin", 1))}

    def apply(b: Builder, x: Tensor) -> Tensor:
        each = losses.multi_margin(b, batched(b, x, 2), call.tensor("target"), call.get("weight"), **settings)
        return b.reshape(_reduced(call, b, each), x.shape[:-1] if call.get("reduction", MEAN) == NONE else ())

    return apply


lowers("aten::multi_margin_loss")(composite(_multi_margin, "self"))
lowers("aten::multi_margin_loss_backward")(composite_gradient(_multi_margin, "self"))


def _pairs(call: Call) -> Dim:
    """Pairs of a target and another class, as if half were targets."""
    x = call.tensor("self")
    return x.elements * x.shape[-1] // 4


@lowers("aten::multilabel_margin_loss_forward")
def _multilabel_margin(call: Call) -> Lowered:
    """Of every pair 2 add, 1 cmp, and the sum."""
    counts = {"add": 3 * _pairs(call), "cmp": _pairs(call), "div": product(call.tensor("self").shape[:-1])}
    return algorithm(call, counts, estimated=True)


@lowers("aten::multilabel_margin_loss_backward")
def _multilabel_margin_backward(call: Call) -> Lowered:
    counts = {"add": 4 * _pairs(call), "cmp": _pairs(call), "mul": call.tensor("self").elements}
    return algorithm(call, counts, estimated=True)


def _ctc_states(call: Call) -> Dim:
    """The states of the whole batch; lengths that are data are taken to be the longest."""
    probabilities, targets = call.tensor("log_probs"), call.tensor("targets")
    steps, labels = _lengths(call["input_lengths"]), _lengths(call["target_lengths"])
    if steps is not None and labels is not None:
        return sum(ctc.states(t, s) for t, s in zip(steps, labels, strict=True))
    batch = probabilities.shape[1] if probabilities.rank == 3 else 1
    longest: Dim = targets.shape[1] if targets.rank == 2 else targets.shape[0] // batch
    return batch * ctc.states(probabilities.shape[0], longest)


def _lengths(value: Any) -> tuple[int, ...] | None:
    return None if isinstance(value, Tensor) else tuple(value)


lowers("aten::_ctc_loss", "aten::_cudnn_ctc_loss", "aten::miopen_ctc_loss")(
    closed_form(lambda call: ctc.ctc(_ctc_states(call)), estimated=True)
)
lowers("aten::_ctc_loss_backward")(
    closed_form(lambda call: ctc.ctc_gradient(_ctc_states(call), call.tensor("log_probs").elements), estimated=True)
)
