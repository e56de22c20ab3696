"""Pooling and its gradients."""

from __future__ import annotations

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.gradient import Forward, Make, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import batched, closed_form, several
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Extreme
from nncost.ir.library import pool
from nncost.ir.library.windows import overhang


def _dims(call: Call) -> int:
    return 3 if "3d" in call.name else 1 if "1d" in call.name else 2


def _windows(call: Call) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and dilation of each axis."""
    dims = _dims(call)
    kernel = several(call["kernel_size"], dims)
    return kernel, several(call.get("stride") or kernel, dims), several(call.get("dilation", 1), dims)


def _sides(call: Call, x: Tensor) -> list[tuple[Dim, Dim]]:
    """The padding before and after; with ceil mode what the last window reaches beyond is added after."""
    sides: list[tuple[Dim, Dim]] = []
    padding = several(call.get("padding", 0), _dims(call))
    for size, kernel, stride, dilation, width in zip(x.shape[2:], *_windows(call), padding, strict=True):
        reach = dilation * (kernel - 1) + 1
        over = overhang(size, width, width, reach, stride) if call.get("ceil_mode", False) else 0
        sides.append((width, width + over))
    return sides


def _max_pool(call: Call) -> Forward:
    kernel, stride, dilation = _windows(call)

    def apply(b: Builder, x: Tensor) -> Tensor:
        x = batched(b, x, 2 + _dims(call))
        return pool.max_pool(b, x, kernel=kernel, stride=stride, padding=_sides(call, x), dilation=dilation)

    return apply


def _average_pool(call: Call) -> Forward:
    kernel, stride, _ = _windows(call)
    counted, divisor = bool(call.get("count_include_pad", True)), call.get("divisor_override")

    def apply(b: Builder, x: Tensor) -> Tensor:
        x = batched(b, x, 2 + _dims(call))
        sides = _sides(call, x)
        return pool.average_pool(
            b, x, kernel=kernel, stride=stride, padding=sides, count_padding=counted,
            overhang=[high - low for low, high in sides], divisor=divisor,
        )  # fmt: skip

    return apply


def _adaptive(function: Extreme) -> Make:
    def make(call: Call) -> Forward:
        dims = _dims(call)
        shape = call.tensor("grad_output").shape if "grad_output" in call.arguments else call.shape
        size = several(call.get("output_size", tuple(shape[-dims:])), dims)
        return lambda b, x: pool.adaptive_pool(b, batched(b, x, 2 + dims), size, function=function)

    return make


for _dim in ("1d", "2d", "3d"):
    lowers(f"aten::max_pool{_dim}", f"aten::max_pool{_dim}_with_indices")(composite(_max_pool, "self"))
    lowers(f"aten::avg_pool{_dim}")(composite(_average_pool, "self"))
    lowers(f"aten::adaptive_avg_pool{_dim}")(composite(_adaptive("average"), "self"))
    lowers(f"aten::adaptive_max_pool{_dim}")(composite(_adaptive("max"), "self"))
for _dim in ("2d", "3d"):
    lowers(f"aten::max_pool{_dim}_with_indices_backward")(composite_gradient(_max_pool, "self"))
    lowers(f"aten::avg_pool{_dim}_backward")(composite_gradient(_average_pool, "self"))
    lowers(f"aten::_adaptive_avg_pool{_dim}")(composite(_adaptive("average"), "self"))
    lowers(f"aten::_adaptive_avg_pool{_dim}_backward")(composite_gradient(_adaptive("average"), "self"))
    lowers(f"aten::adaptive_max_pool{_dim}_backward")(composite_gradient(_adaptive("max"), "self"))
lowers("aten::max_pool2d_backward")(composite_gradient(_max_pool, "self"))


def _fractional(call: Call) -> dict[str, Dim]:
    """Windows at random positions: K−1 cmp per output; each position takes 1 mul and 1 add."""
    dims = _dims(call)
    kernel = product(several(call["kernel_size"], dims))
    starts = product(call.tensor("random_samples").shape[:2]) * sum(call.shape[-dims:])
    return {"cmp": call.elements * (kernel - 1), "mul": starts, "add": starts}


for _dim in ("2d", "3d"):
    lowers(f"aten::fractional_max_pool{_dim}")(closed_form(_fractional))
    # One addition per output, into zeros.
    lowers(f"aten::fractional_max_pool{_dim}_backward")(
        closed_form(lambda call: {"add": call.tensor("grad_output").elements})
    )
