"""Losses as operations of a file, as exporters of training steps write them."""

from __future__ import annotations

from nncost.dims import same_shape, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import softmax
from nncost.ir.library.losses import negative_log_likelihood

TARGET, WEIGHT = 1, 2
"""Positions of the operands."""


@lowers("NegativeLogLikelihoodLoss", since=12)
def _negative_log_likelihood(call: Call) -> Tensor:
    """Of logarithms of probabilities (N, C, …)."""
    x, target, weight = _operands(call)
    with call.builder.region(Operation("nll_loss"), x, target, *weight) as region:
        region.returns(_loss(call, x, target, *weight))
    return region.outputs[0]


@lowers("SoftmaxCrossEntropyLoss", since=12)
def _cross_entropy(call: Call) -> Lowered:
    """Of scores (N, C, …): the logarithm of their softmax first, which is an output, too."""
    b, (x, target, weight) = call.builder, _operands(call)
    with b.region(Operation("cross_entropy"), x, target, *weight) as region:
        logarithms = softmax(b, x, 1, logarithm=True)
        region.returns(_loss(call, logarithms, target, *weight), *([logarithms] if call.wants(1) else []))
    return tuple(region.outputs)


def _operands(call: Call) -> tuple[Tensor, Tensor, list[Tensor]]:
    x, target = call.tensor(0), call.tensor(TARGET)
    if x.rank < 2 or not same_shape(target.shape, (x.shape[0], *x.shape[2:])):
        raise ShapeError(f"targets of {shape_text(target.shape)} do not fit scores of {shape_text(x.shape)}.")
    weight = [call.constant(WEIGHT)] if call.has(WEIGHT) else []
    if weight and not same_shape(weight[0].shape, x.shape[1:2]):
        raise ShapeError(f"weights of {shape_text(weight[0].shape)} do not fit {x.shape[1]} classes.")
    return x, target, weight


def _loss(call: Call, x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    reduction, a = call.attributes.text("reduction", "mean"), call.attributes
    if reduction not in ("none", "sum", "mean"):
        raise SourceError(f"the attribute 'reduction' is none, sum or mean, received {reduction!r}.")
    ignored = a.integer("ignore_index", 0) if "ignore_index" in a else None
    return negative_log_likelihood(call.builder, x, target, weight, ignored=ignored, reduction=reduction)
