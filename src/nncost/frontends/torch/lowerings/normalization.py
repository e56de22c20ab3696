"""Normalisation layers and their gradients."""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.gradient import Forward, Operand, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import closed_form, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import norm, statistics
from nncost.ir.library.counts import scaled

MACHINE_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""IEEE 754: the distance from one to the next number."""


def _epsilon(call: Call) -> float:
    """The ε of the call; PyTorch's default if it has none."""
    return float(call.get("eps", call.get("epsilon", norm.EPSILON)))


def _vector(name: str, value: float) -> Operand:
    """One number per channel, or a constant vector if none is given."""

    def made(call: Call) -> Tensor:
        given, x = call.get(name), call.tensor("input")
        if isinstance(given, Tensor):
            return given
        return call.builder.full((x.shape[1],), value, x.dtype)

    return made


_SCALE, _SHIFT = _vector("weight", 1.0), _vector("bias", 0.0)


# -------------------------------------------------------------------- batch norm
def _is_training(call: Call) -> bool:
    if "no_training" in call.name or "no_update" in call.name:
        return False
    default = "backward" in call.name or "with_update" in call.name
    return bool(call.get("training", call.get("train", call.get("update", default))))


def _batch_norm(call: Call) -> Forward:
    momentum = float(call.get("momentum", norm.MOMENTUM))

    def apply(b: Builder, x: Tensor, *vectors: Any) -> Tensor:
        scale, shift, mean, variance = vectors
        before, b.training = b.training, _is_training(call)
        try:
            return norm.batch_norm(b, x, scale, shift, mean, variance, epsilon=_epsilon(call), momentum=momentum)
        finally:
            b.training = before

    return apply


_VECTORS = (_SCALE, _SHIFT, "running_mean", "running_var")
lowers(
    "aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::cudnn_batch_norm", "aten::miopen_batch_norm",
    "aten::_batch_norm_with_update", "aten::_native_batch_norm_legit_functional", "aten::batch_norm",
    "aten::_native_batch_norm_legit_no_training", "aten::_batch_norm_no_update",
)(composite(_batch_norm, "input", *_VECTORS))  # fmt: skip
lowers(
    "aten::native_batch_norm_backward", "aten::cudnn_batch_norm_backward", "aten::batch_norm_backward",
    "aten::miopen_batch_norm_backward",
)(composite_gradient(_batch_norm, "input", *_VECTORS))  # fmt: skip


# -------------------------------------------------------------------- layer, root mean square and group norm
def _layer_norm(call: Call) -> Forward:
    axes = len(call["normalized_shape"])
    return lambda b, x, scale, shift: norm.layer_norm(b, x, scale, shift, axes=axes, epsilon=_epsilon(call))


lowers("aten::native_layer_norm", "aten::layer_norm")(composite(_layer_norm, "input", "weight", "bias"))
lowers("aten::native_layer_norm_backward")(composite_gradient(_layer_norm, "input", "weight", "bias"))


def _rms_norm(call: Call) -> Forward:
    """Over the last axes, as one; without an ε of its own, the distance of one to the next number of its type."""
    axes = len(call["normalized_shape"])

    def apply(b: Builder, x: Tensor, scale: Tensor | None) -> Tensor:
        flat = (*x.shape[: x.rank - axes], product(x.shape[x.rank - axes :]))
        epsilon = float(call.get("eps", MACHINE_EPSILON.get(x.dtype, norm.EPSILON)))
        weight = None if scale is None else b.reshape(scale, flat[-1:])
        return b.reshape(norm.rms_norm(b, b.reshape(x, flat), weight, epsilon=epsilon), x.shape)

    return apply


lowers("aten::_fused_rms_norm", "aten::rms_norm")(composite(_rms_norm, "input", "weight"))
lowers("aten::_fused_rms_norm_backward")(composite_gradient(_rms_norm, "input", "weight"))


def _group_norm(call: Call) -> Forward:
    groups = call["group" if "group" in call.arguments else "num_groups"]
    return lambda b, x, scale, shift: norm.group_norm(b, x, groups, scale, shift, epsilon=_epsilon(call))


lowers("aten::native_group_norm", "aten::group_norm")(composite(_group_norm, "input", _SCALE, _SHIFT))
lowers("aten::native_group_norm_backward")(composite_gradient(_group_norm, "input", _SCALE, _SHIFT))


def _weight_norm(call: Call) -> Forward:
    return lambda b, v, g: statistics.weight_norm(b, v, g, call.get("dim", 0))


lowers("aten::_weight_norm_interface", "aten::_weight_norm")(composite(_weight_norm, "v", "g"))
lowers("aten::_weight_norm_interface_backward")(composite_gradient(_weight_norm, "saved_v", "saved_g"))


# -------------------------------------------------------------------- batch norm in pieces, for several devices
def _channel_statistics(call: Call) -> Forward:
    return lambda b, x: statistics.channel_statistics(b, x, _epsilon(call))


lowers("aten::batch_norm_stats")(composite(_channel_statistics, "input"))
lowers("aten::batch_norm_elemt")(
    composite(lambda _: statistics.normalised_by, "input", "weight", "bias", "mean", "invstd")
)


def _measured(call: Call) -> Tensor:
    found = call.get("mean", call.get("input"))
    return found if isinstance(found, Tensor) else tensors_of(call)[0]


# The statistics of all devices put together: some ten operations per channel and device.
lowers("aten::batch_norm_gather_stats", "aten::batch_norm_gather_stats_with_counts", "aten::batch_norm_update_stats")(
    closed_form(lambda call: scaled({"mul": 4, "add": 4, "div": 1}, _measured(call).elements), estimated=True)
)


def _backward_sums(call: Call) -> dict[str, Dim]:
    """Σg and Σg·(x − mean) per channel, and the gradients of γ and β, which follow."""
    x = call.tensor("input")
    return {"mul": x.elements + x.shape[1], "add": 3 * x.elements - 2 * x.shape[1]}


def _backward_elements(call: Call) -> dict[str, Dim]:
    """(g − Σg/n − (x − mean)·invstd²·Σ…/n)·invstd·γ."""
    x = call.tensor("input")
    return {"mul": 2 * x.elements + 4 * x.shape[1], "add": 3 * x.elements, "div": 2 * x.shape[1]}


lowers("aten::batch_norm_backward_reduce")(closed_form(_backward_sums))
lowers("aten::batch_norm_backward_elemt")(closed_form(_backward_elements))
