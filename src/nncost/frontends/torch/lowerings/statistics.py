"""Batch norm in pieces, for batches that several devices share."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.operands import algorithm, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor


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
    return algorithm(call, {"mul": 4 * x.elements, "add": 4 * x.elements, "div": x.elements}, note="estimated")


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
