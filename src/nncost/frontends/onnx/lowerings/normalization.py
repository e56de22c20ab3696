"""Normalisation layers."""

from __future__ import annotations

from nncost.dims import Dim, Shape, is_symbolic, product, same_shape, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.broadcasting import check_broadcast
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Stored, Unlowered
from nncost.ir.graph import Role, Tensor
from nncost.ir.library import norm, norm_variants
from nncost.ir.library.casts import in_type
from nncost.ir.library.norm import EPSILON

MOST_AXES = 64
FLOAT = 1
"""TensorProto.FLOAT, the default of ``stash_type``."""


def _vector(call: Call, position: int, shape: Shape, role: Role) -> Tensor:
    tensor = call.tensor(position, role)
    if not same_shape(tensor.shape, shape):
        wanted = f"{shape[0]} channels" if len(shape) == 1 else shape_text(shape)
        raise ShapeError(f"operand {position + 1} has {shape_text(tensor.shape)} elements for {wanted}.")
    return tensor


def _epsilon(call: Call) -> float:
    return call.attributes.number("epsilon", EPSILON)


def _working(call: Call) -> str:
    """The type that statistics are taken in."""
    dtype = call.walk.types.coded(call.attributes.integer("stash_type", FLOAT))
    if dtype is None:
        raise SourceError("the attribute 'stash_type' is no type of numbers.")
    return dtype


# ------------------------------------------------------------------- batch norm
@lowers("BatchNormalization")
def _batch_normalization(call: Call) -> Lowered:
    """Scale and shift are learned, mean and variance are buffers. Before opset 9 ``spatial=0`` has one for each position."""
    b, x = call.builder, call.tensor(0)
    each = x.shape[1:2] if call.attributes.flag("spatial", True) or call.opset >= 9 else x.shape[1:]
    each = each if x.rank > 1 else (1,)
    flat = b.reshape(x, (x.shape[0], product(x.shape[1:]))) if x.rank < 2 or len(each) > 1 else x
    roles: tuple[Role, ...] = ("weight", "bias", "buffer", "buffer")
    vectors = [b.reshape(_vector(call, 1 + n, each, role), (product(each),)) for n, role in enumerate(roles)]
    scale, shift, mean, variance = vectors
    affine = in_type(b, scale, x.dtype), in_type(b, shift, x.dtype)
    if _is_training(call):
        share = 1 - call.attributes.number("momentum", 0.9)
        y, *statistics = norm.batch_norm_training(
            b, flat, affine, (mean, variance), epsilon=_epsilon(call), momentum=share, unbiased=False, returned=True
        )
        return (
            b.reshape(y, x.shape),
            *(b.reshape(vector, each) for vector in statistics[: 2 if call.opset >= 14 else 4]),
        )
    running = in_type(b, mean, x.dtype), in_type(b, variance, x.dtype)
    return b.reshape(norm.batch_norm(b, flat, *affine, *running, epsilon=_epsilon(call)), x.shape)


def _is_training(call: Call) -> bool:
    """Whether the file says so: by an attribute, before opset 14 by asking for the statistics."""
    if call.opset >= 14:
        return call.attributes.flag("training_mode", False)
    return any(map(call.wants, range(1, 5))) and not call.attributes.flag("is_test", False)


# ------------------------------------------------------------------- instance and group norm
@lowers("InstanceNormalization")
def _instance_normalization(call: Call) -> Tensor:
    """A scale of ones with a shift of zeros is what exporters write where there is neither."""
    x = call.ranked(0, 2, MOST_AXES)
    if _is_filled(call, 1, 1.0) and _is_filled(call, 2, 0.0):
        return norm.instance_norm(call.builder, x, None, None, epsilon=_epsilon(call))
    scale, shift = _vector(call, 1, x.shape[1:2], "weight"), _vector(call, 2, x.shape[1:2], "bias")
    return norm.instance_norm(call.builder, x, scale, shift, epsilon=_epsilon(call))


def _is_filled(call: Call, position: int, number: float) -> bool:
    """Whether an operand is a constant whose numbers lie in the file itself, and all of them are one number."""
    value = call.values[position] if call.is_constant(position) else None
    if value is None or (isinstance(value, Stored) and value.constant.elsewhere):
        return False
    try:
        values = call.array(position)
    except (SourceError, Unlowered):
        return False
    return values.size > 0 and bool((values == number).all())


@lowers("GroupNormalization", since=18)
def _group_normalization(call: Call) -> Tensor:
    """Before opset 21 scale and shift have one number for each group, from then on for each channel."""
    b, x = call.builder, call.ranked(0, 2, MOST_AXES)
    groups, channels = call.attributes.integer("num_groups", 0), x.shape[1]
    if groups < 1 or (not is_symbolic(channels) and channels % groups):
        raise ShapeError(f"{groups} groups do not divide {channels} channels.")
    each: Dim = groups if call.opset < 21 else channels
    scale, shift = (
        norm.by_group(b, _vector(call, 1 + n, (each,), role), channels)
        for n, role in enumerate[Role](("weight", "bias"))
    )
    if call.opset < 21 or _working(call) == x.dtype:
        return norm.group_norm(b, x, groups, scale, shift, epsilon=_epsilon(call))
    return norm_variants.group_norm_in(b, x, groups, scale, shift, epsilon=_epsilon(call), working=_working(call))


# ------------------------------------------------------------------- layer and RMS norm
@lowers("LayerNormalization", since=17)
def _layer_normalization(call: Call) -> Lowered:
    """All axes from ``axis`` on are normalised together; the mean and 1/σ are outputs."""
    x, inner = call.tensor(0), _inner_shape(call)
    scale = _over(call, 1, inner, "weight")
    shift = _over(call, 2, inner, "bias") if call.has(2) else None
    if call.wants(1) or call.wants(2) or _working(call) != x.dtype:
        return tuple(
            norm_variants.norm_with_statistics(
                call.builder, x, scale, shift, axes=len(inner), epsilon=_epsilon(call), working=_working(call)
            )
        )
    return norm.layer_norm(call.builder, x, scale, shift, axes=len(inner), epsilon=_epsilon(call))


@lowers("RMSNormalization", since=23)
def _rms_normalization(call: Call) -> Tensor:
    x, inner = call.tensor(0), _inner_shape(call)
    scale = _over(call, 1, inner, "weight")
    if len(inner) == 1 and _working(call) == x.dtype:
        return norm.rms_norm(call.builder, x, scale, epsilon=_epsilon(call))
    return norm_variants.norm_with_statistics(
        call.builder, x, scale, None, axes=len(inner), epsilon=_epsilon(call), centre=False, working=_working(call)
    )[0]


def _inner_shape(call: Call) -> Shape:
    """The axes that are normalised."""
    shape = call.value(0).shape
    return shape[call.axis(call.attributes.integer("axis", -1), len(shape)) :]


def _over(call: Call, position: int, inner: Shape, role: Role) -> Tensor:
    """A scale or a shift, repeated to the axes that are normalised."""
    tensor = call.tensor(position, role)
    check_broadcast(tensor.shape, inner)
    return call.builder.broadcast(tensor, inner)


# ------------------------------------------------------------------- norms without parameters
@lowers("LRN")
def _local_response_normalization(call: Call) -> Tensor:
    x, size = call.ranked(0, 2, MOST_AXES), call.attributes.integer("size", 0)
    if size < 1:
        raise SourceError(f"the attribute 'size' must be at least 1, received {size}.")
    alpha, beta = call.attributes.number("alpha", 1e-4), call.attributes.number("beta", 0.75)
    bias = call.attributes.number("bias", 1.0)
    return norm.local_response_norm(call.builder, x, size=size, alpha=alpha, beta=beta, bias=bias)


@lowers("LpNormalization")
def _lp_normalization(call: Call) -> Tensor:
    x, order = call.tensor(0), call.attributes.integer("p", 2)
    if order not in (1, 2):
        raise SourceError(f"the attribute 'p' is 1 or 2, received {order}.")
    return norm_variants.lp_norm(call.builder, x, order, call.axis(call.attributes.integer("axis", -1), x.rank))


@lowers("MeanVarianceNormalization", since=9)
def _mean_variance_normalization(call: Call) -> Tensor:
    x = call.tensor(0)
    axes = call.attributes.integers("axes", (0, 2, 3)) or ()
    return norm_variants.mean_variance_norm(call.builder, x, call.axes(axes, x.rank))
