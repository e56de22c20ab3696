"""Training for eight bits: numbers rounded to the steps they will have, and the observers of their range."""

from __future__ import annotations

from typing import Any

from nncost.frontends.torch.lowerings.operands import algorithm, cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def _spread(b: Builder, value: Any, x: Tensor, axis: int | None) -> Any:
    """A step or a zero point: one number, or one for each channel."""
    if not isinstance(value, Tensor):
        return float(value)
    typed = cast(b, value, x.dtype)
    if axis is None or value.rank == 0:
        return b.reshape(typed, ())
    return b.reshape(typed, tuple(value.shape[0] if place == axis else 1 for place in range(x.rank)))


def _rounded(b: Builder, x: Tensor, step: Any, zero: Any, bounds: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """((round(x/s + z) clipped) − z)·s: 1 div, 2 add, 2 cmp, 1 mul; and where nothing was clipped (2 cmp)."""
    places = b.map("round", b.map("add", b.map("div", x, step), zero))
    inside = b.map("and", b.map("greater_equal", places, bounds[0]), b.map("greater_equal", bounds[1], places))
    kept = b.map("clip", places, *bounds)
    return b.map("mul", b.map("sub", kept, zero), step), inside


def _bounds(call: Call) -> tuple[float, float]:
    names = ("quant_min", "quant_max") if "quant_min" in call.arguments else ("qmin", "qmax")
    return float(call[names[0]]), float(call[names[1]])


@lowers(
    "aten::fake_quantize_per_tensor_affine_cachemask", "aten::fake_quantize_per_channel_affine_cachemask",
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "aten::_fake_quantize_learnable_per_tensor_affine",
    "aten::_fake_quantize_learnable_per_channel_affine",
)  # fmt: skip
def _fake_quantize(call: Call) -> Lowered:
    b, x = call.builder, call.tensor("self")
    axis = call.get("axis")
    step, zero = (_spread(b, call[name], x, axis) for name in ("scale", "zero_point"))
    y, inside = _rounded(b, x, step, zero, _bounds(call))
    return (y, inside) if len(call.outputs) > 1 else y


@lowers("aten::_fake_quantize_learnable_per_tensor_affine_backward",
        "aten::_fake_quantize_learnable_per_channel_affine_backward")  # fmt: skip
def _learnable_backward(call: Call) -> Lowered:
    """The gradient where nothing was clipped, and sums for step and zero point."""
    x = call.tensor("self")
    counts = {"div": x.elements, "mul": 4 * x.elements, "add": 5 * x.elements, "cmp": 4 * x.elements}
    return algorithm(call, counts, note="estimated")


@lowers("aten::_fused_moving_avg_obs_fq_helper", "aten::_fused_moving_avg_obs_fq_helper_functional")
def _observed(call: Call) -> Lowered:
    """The range of this batch (2·(n−1) cmp), its running average, a step from it, and the rounding."""
    b, x = call.builder, call.tensor("self")
    low, high = (b.reduce(kind, x, range(x.rank)) for kind in ("min", "max"))
    share = float(call.get("averaging_const", 0.01))
    averages = []
    for name, fresh in (("running_min", low), ("running_max", high)):
        old = b.reduce("max", cast(b, call.tensor(name), x.dtype), range(call.tensor(name).rank))
        averages.append(b.map("add", old, b.map("mul", share, b.map("sub", fresh, old))))
    bounds = float(call["quant_min"]), float(call["quant_max"])
    step = b.map("div", b.map("sub", averages[1], averages[0]), bounds[1] - bounds[0])
    zero = b.map("sub", bounds[0], b.map("round", b.map("div", averages[0], step)))
    y, inside = _rounded(b, x, step, zero, bounds)
    return (y, inside, *(None for _ in call.outputs[2:]))


@lowers("aten::quantized_batch_norm")
def _batch_norm(call: Call) -> Lowered:
    """1 mul and 1 add for each element, with factors prepared for each channel."""
    return elementwise(call, "add", elementwise(call, "mul", call["input"], 1.0), 0.0)
