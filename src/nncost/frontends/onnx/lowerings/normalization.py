"""Normalisation layers and dropout."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic, same, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.broadcasting import check_broadcast
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.graph import Role, Tensor
from nncost.ir.library import norm, sequence
from nncost.ir.library.norm import EPSILON


def _per_channel(call: Call, position: int, channels: Dim, role: Role) -> Tensor:
    vector = call.ranked(position, 1, 1, role)
    if not same(vector.shape[0], channels):
        raise ShapeError(f"operand {position + 1} has {shape_text(vector.shape)} elements for {channels} channels.")
    return vector


@lowers("BatchNormalization")
def _batch_normalization(call: Call) -> Tensor:
    """Scale and shift are learned, mean and variance are buffers; the caller's mode decides, not training_mode."""
    x = call.ranked(0, 2, 5)
    if call.opset < 9 and not call.attributes.flag("spatial", True):
        raise Unlowered("statistics for each position")
    roles: tuple[Role, ...] = ("weight", "bias", "buffer", "buffer")
    scale, shift, mean, variance = (_per_channel(call, 1 + i, x.shape[1], role) for i, role in enumerate(roles))
    epsilon = call.attributes.number("epsilon", EPSILON)
    return norm.batch_norm(call.builder, x, scale, shift, mean, variance, epsilon=epsilon)


@lowers("InstanceNormalization")
def _instance_normalization(call: Call) -> Tensor:
    x = call.ranked(0, 3, 5)
    scale, shift = _per_channel(call, 1, x.shape[1], "weight"), _per_channel(call, 2, x.shape[1], "bias")
    return norm.instance_norm(call.builder, x, scale, shift, epsilon=call.attributes.number("epsilon", EPSILON))


@lowers("GroupNormalization", since=21)
def _group_normalization(call: Call) -> Tensor:
    x = call.ranked(0, 3, 5)
    groups = call.attributes.integer("num_groups", 0)
    if groups < 1 or (not is_symbolic(x.shape[1]) and x.shape[1] % groups):
        raise ShapeError(f"{groups} groups do not divide {x.shape[1]} channels.")
    scale, shift = _per_channel(call, 1, x.shape[1], "weight"), _per_channel(call, 2, x.shape[1], "bias")
    epsilon = call.attributes.number("epsilon", EPSILON)
    return norm.group_norm(call.builder, x, groups, scale, shift, epsilon=epsilon)


@lowers("LayerNormalization", since=17)
def _layer_normalization(call: Call) -> Tensor:
    """All axes from ``axis`` on are normalised together."""
    x = call.tensor(0)
    first = call.axis(call.attributes.integer("axis", -1), x.rank)
    inner = x.shape[first:]
    pair = [call.tensor(1, "weight"), call.optional(2, "bias")]
    for tensor in pair:
        if tensor is not None:
            check_broadcast(tensor.shape, inner)
    scale, shift = (None if t is None else call.builder.broadcast(t, inner) for t in pair)
    epsilon = call.attributes.number("epsilon", EPSILON)
    return norm.layer_norm(call.builder, x, scale, shift, axes=len(inner), epsilon=epsilon)


@lowers("RMSNormalization", since=23)
def _rms_normalization(call: Call) -> Tensor:
    x = call.tensor(0)
    if call.axis(call.attributes.integer("axis", -1), x.rank) != x.rank - 1:
        raise Unlowered("RMS normalisation over several axes")
    scale = call.tensor(1, "weight")
    check_broadcast(scale.shape, x.shape[-1:])
    return norm.rms_norm(call.builder, x, scale, epsilon=call.attributes.number("epsilon", EPSILON))


@lowers("LRN")
def _local_response_normalization(call: Call) -> Tensor:
    x, size = call.ranked(0, 3, 5), call.attributes.integer("size", 0)
    if size < 1:
        raise SourceError(f"the attribute 'size' must be at least 1, received {size}.")
    alpha, beta = call.attributes.number("alpha", 1e-4), call.attributes.number("beta", 0.75)
    bias = call.attributes.number("bias", 1.0)
    return norm.local_response_norm(call.builder, x, size=size, alpha=alpha, beta=beta, bias=bias)


@lowers("Dropout")
def _dropout(call: Call) -> Tensor:
    """Nothing in inference, whatever the file says of training; the share is an attribute before opset 12 and an operand from it on."""
    if call.opset < 12:
        probability: float | None = call.attributes.number("ratio", 0.5)
    else:
        probability = call.scalar(1) if call.has(1) else 0.5
    if probability is None or not 0 <= probability <= 1:
        raise SourceError(f"the share that dropout zeroes lies between 0 and 1, received {probability}.")
    return sequence.dropout(call.builder, call.tensor(0), probability)
