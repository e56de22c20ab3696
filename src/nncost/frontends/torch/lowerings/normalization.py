"""Normalisation layers and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import product
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import algorithm, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import norm


def _filled(b: Builder, given: Tensor | None, size: object, value: float, dtype: str) -> Tensor:
    """A vector, or a constant one where there is none."""
    if given is not None:
        return given
    return b.emit(ops.Constant("fill", (size,), dtype, value))


MACHINE_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""IEEE 754: the distance from one to the next number."""


def _epsilon(call: Call) -> float:
    """The ε of the call; PyTorch's default where it has none."""
    return float(call.get("eps", call.get("epsilon", norm.EPSILON)))


def _unused(b: Builder, call: Call) -> tuple[Tensor, ...]:
    """Stand-ins for saved statistics that only the gradient operator takes, which does not read them."""
    return tuple(b.emit(ops.Constant("fill", shape, dtype, 0.0)) for shape, dtype in call.outputs[1:])


def _batch_norm(b: Builder, call: Call, *, training: bool) -> Tensor:
    x = call.tensor("input")
    channels, dtype = x.shape[1], x.dtype
    vectors = (
        _filled(b, call.get("weight"), channels, 1.0, dtype),
        _filled(b, call.get("bias"), channels, 0.0, dtype),
        _filled(b, call.get("running_mean"), channels, 0.0, dtype),
        _filled(b, call.get("running_var"), channels, 1.0, dtype),
    )
    before, b.training = b.training, training
    try:
        momentum = float(call.get("momentum", norm.MOMENTUM))
        return norm.batch_norm(b, x, *vectors, epsilon=_epsilon(call), momentum=momentum)
    finally:
        b.training = before


@lowers(
    "aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::cudnn_batch_norm", "aten::miopen_batch_norm",
    "aten::_batch_norm_with_update", "aten::_native_batch_norm_legit_functional", "aten::batch_norm",
)  # fmt: skip
def _native_batch_norm(call: Call) -> Lowered:
    """Two results more are the saved statistics, made on the way."""
    training = bool(call.get("training", call.name == "aten::_batch_norm_with_update"))
    y = _batch_norm(call.builder, call, training=training)
    return (y, *_unused(call.builder, call))


@lowers("aten::_native_batch_norm_legit_no_training", "aten::_batch_norm_no_update")
def _inference_batch_norm(call: Call) -> Lowered:
    return (_batch_norm(call.builder, call, training=False), *_unused(call.builder, call))


@lowers(
    "aten::native_batch_norm_backward", "aten::cudnn_batch_norm_backward", "aten::batch_norm_backward",
    "aten::miopen_batch_norm_backward",
)  # fmt: skip
def _batch_norm_backward(call: Call) -> Lowered:
    b, x = call.builder, call.tensor("input")
    g = call["grad_out"] if "grad_out" in call.arguments else call["grad_output"]
    mask = call.get("output_mask", (True, True, True))
    training = bool(call.get("train", call.get("update", True)))
    channels, dtype = x.shape[1], x.dtype
    scale = _filled(b, call.get("weight"), channels, 1.0, dtype)
    shift = _filled(b, None, channels, 0.0, dtype)
    mean = _filled(b, call.get("running_mean"), channels, 0.0, dtype)
    variance = _filled(b, call.get("running_var"), channels, 1.0, dtype)
    before, b.training = b.training, training

    def forward(past: Builder, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return norm.batch_norm(past, x, scale, shift, mean, variance, epsilon=_epsilon(call))

    try:
        return gradient(b, forward, (x, scale, shift), g, [bool(flag) for flag in mask])
    finally:
        b.training = before


def _axes(call: Call) -> int:
    return len(call["normalized_shape"])


@lowers("aten::native_layer_norm", "aten::layer_norm")
def _layer_norm(call: Call) -> Lowered:
    y = norm.layer_norm(
        call.builder,
        call.tensor("input"),
        call.get("weight"),
        call.get("bias"),
        axes=_axes(call),
        epsilon=_epsilon(call),
    )
    return (y, *_unused(call.builder, call))


@lowers("aten::native_layer_norm_backward")
def _layer_norm_backward(call: Call) -> Lowered:
    return _with_optional(call, call["grad_out"], lambda b, x, w, s: norm.layer_norm(b, x, w, s, axes=_axes(call)))


def _with_optional(call: Call, g: Tensor, forward: object) -> Lowered:
    """The gradients of ``forward(builder, x, scale, shift)`` where scale and shift may be absent."""
    x, scale, shift = call.tensor("input"), call.get("weight"), call.get("bias")
    mask = [bool(flag) for flag in call["output_mask"]]
    given: Sequence[Tensor | None] = (x, scale, shift if shift is not None or not mask[2] else None)
    return gradient(call.builder, forward, given, g, mask)  # type: ignore[arg-type]


def _rms(call: Call, b: Builder, x: Tensor, scale: Tensor | None) -> Tensor:
    """Over the last axes, as one; without an ε of its own, the distance of one to the next number of its type."""
    axes = len(call["normalized_shape"])
    flat = (*x.shape[: x.rank - axes], product(x.shape[x.rank - axes :]))
    epsilon = call.get("eps", MACHINE_EPSILON.get(x.dtype, norm.EPSILON))
    weight = None if scale is None else b.reshape(scale, flat[-1:])
    return b.reshape(norm.rms_norm(b, b.reshape(x, flat), weight, epsilon=float(epsilon)), x.shape)


@lowers("aten::_fused_rms_norm", "aten::rms_norm")
def _rms_norm(call: Call) -> Lowered:
    y = _rms(call, call.builder, call.tensor("input"), call.get("weight"))
    return (y, *_unused(call.builder, call))


@lowers("aten::_fused_rms_norm_backward")
def _rms_norm_backward(call: Call) -> Lowered:
    mask = [bool(flag) for flag in call["output_mask"]]
    operands = (call.tensor("input"), call.get("weight"))
    return gradient(call.builder, lambda b, x, w: _rms(call, b, x, w), operands, call["grad_out"], mask)


@lowers("aten::native_group_norm", "aten::group_norm")
def _group_norm(call: Call) -> Lowered:
    b, x = call.builder, call.tensor("input")
    groups = call["group"] if "group" in call.arguments else call["num_groups"]
    y = _grouped(b, x, call.get("weight"), call.get("bias"), groups, _epsilon(call))
    return (y, *_unused(b, call))


def _grouped(
    b: Builder, x: Tensor, scale: Tensor | None, shift: Tensor | None, groups: int, epsilon: float = norm.EPSILON
) -> Tensor:
    channels = x.shape[1]
    return norm.group_norm(
        b,
        x,
        groups,
        _filled(b, scale, channels, 1.0, x.dtype),
        _filled(b, shift, channels, 0.0, x.dtype),
        epsilon=epsilon,
    )


@lowers("aten::native_group_norm_backward")
def _group_norm_backward(call: Call) -> Lowered:
    b, x, groups = call.builder, call.tensor("input"), call["group"]
    scale = _filled(b, call.get("weight"), x.shape[1], 1.0, x.dtype)
    shift = _filled(b, None, x.shape[1], 0.0, x.dtype)
    mask = [bool(flag) for flag in call["output_mask"]]
    return gradient(b, lambda past, x, w, s: _grouped(past, x, w, s, groups), (x, scale, shift), call["grad_out"], mask)


@lowers("aten::_weight_norm_interface", "aten::_weight_norm")
def _weight_norm(call: Call) -> Lowered:
    """V·(g/‖v‖), the norm over all axes but one."""
    b, v, g = call.builder, call.tensor("v"), call.tensor("g")
    y = _weight_normed(b, v, g, call.get("dim", 0))
    return (y, *_unused(b, call))


def _weight_normed(b: Builder, v: Tensor, g: Tensor, dim: int) -> Tensor:
    axes = [axis for axis in range(v.rank) if axis != dim % v.rank]
    length = b.map("sqrt", b.reduce("sum", b.map("square", v), axes, keep=True))
    return b.map("mul", v, b.broadcast(b.map("div", g, length), v.shape))


@lowers("aten::_weight_norm_interface_backward")
def _weight_norm_backward(call: Call) -> Lowered:
    dim = call.get("dim", 0)
    pair = (call.tensor("saved_v"), call.tensor("saved_g"))
    return gradient(
        call.builder, lambda b, v, g: _weight_normed(b, v, g, dim), pair, call.tensor("grad_w"), (True, True)
    )


@lowers("aten::batch_norm_stats")
def _statistics(call: Call) -> Lowered:
    """Mean and inverse deviation of each channel."""
    b, x = call.builder, call.tensor("input")
    axes = [0, *range(2, x.rank)]
    mean = b.mean(x, axes)
    shape = (1, x.shape[1], *(1,) * (x.rank - 2))
    centred = b.map("sub", x, b.reshape(mean, shape))
    variance = b.mean(b.map("square", centred), axes)
    return mean, b.map("div", 1.0, b.map("sqrt", b.map("add", variance, float(call.get("eps", 1e-5)))))


@lowers("aten::batch_norm_elemt")
def _normalised(call: Call) -> Tensor:
    """(x − mean)·invstd·γ + β."""
    b, x = call.builder, call.tensor("input")
    shape = (1, x.shape[1], *(1,) * (x.rank - 2))

    def each(name: str) -> Tensor | None:
        given = call.get(name)
        return None if given is None else b.reshape(given, shape)

    y = elementwise(call, "mul", elementwise(call, "sub", x, each("mean")), each("invstd"))
    for function, name in (("mul", "weight"), ("add", "bias")):
        given = each(name)
        y = y if given is None else elementwise(call, function, y, given)
    return y


@lowers("aten::batch_norm_gather_stats", "aten::batch_norm_gather_stats_with_counts", "aten::batch_norm_update_stats")
def _gathered_statistics(call: Call) -> Lowered:
    """The statistics of all devices put together: some ten operations for each channel and device."""
    x = next(call[name] for name in ("mean", "input") if isinstance(call.get(name), Tensor))
    return algorithm(call, {"mul": 4 * x.elements, "add": 4 * x.elements, "div": x.elements}, estimated=True)


@lowers("aten::batch_norm_backward_reduce")
def _norm_sums(call: Call) -> Lowered:
    """Σg and Σg·(x − mean) for each channel, and the gradients of γ and β, which follow."""
    x = call.tensor("input")
    counts = {"mul": x.elements + x.shape[1], "add": 3 * x.elements - 2 * x.shape[1]}
    return algorithm(call, counts)


@lowers("aten::batch_norm_backward_elemt")
def _norm_elements(call: Call) -> Lowered:
    """(g − Σg/n − (x − mean)·invstd²·Σ…/n)·invstd·γ."""
    x = call.tensor("input")
    counts = {"mul": 2 * x.elements + 4 * x.shape[1], "add": 3 * x.elements, "div": 2 * x.shape[1]}
    return algorithm(call, counts)[0]
