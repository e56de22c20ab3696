"""Resizing images, and sampling them at positions that are data."""

from __future__ import annotations

from typing import cast

from nncost.frontends.torch.lowerings.gradient import Forward, composite, composite_gradient, like
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import grid_sample as sampling
from nncost.ir.library.interpolation import AxisTaps, antialiased, cubic, linear, nearest
from nncost.ir.library.resize import resize, resize_axis

MODES: tuple[sampling.Mode, ...] = ("linear", "nearest", "cubic")
PADDING_MODES: tuple[sampling.PaddingMode, ...] = ("zeros", "border", "reflection")
"""By PyTorch's numbers."""


def _axis(name: str, size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    if "nearest" in name:
        return nearest(size, output, scale, exact="exact" in name)
    if name.endswith("_aa"):
        return antialiased(name.split("_")[2].rstrip("2d"), size, output, align, scale)
    kind = cubic if "cubic" in name else linear
    return kind(size, output, align, scale)


def _scales(call: Call, dims: int) -> list[float | None]:
    """The factor of each axis; None if only sizes were given."""
    given = call.get("scale_factors")
    if given is not None:
        return [float(factor) for factor in given]
    names = ["scales"] if dims == 1 else ["scales_d", "scales_h", "scales_w"][3 - dims :]
    return [call.get(name) for name in names]


def _resize(call: Call) -> Forward:
    name = call.name.removeprefix("aten::").removesuffix("_backward")
    backward = call.name.endswith("_backward")
    outputs = cast("tuple[int, ...]", (call.tensor("grad_output").shape if backward else call.shape)[2:])
    align, scales = bool(call.get("align_corners", False)), _scales(call, len(outputs))

    def apply(b: Builder, x: Tensor) -> Tensor:
        sizes = cast("tuple[int, ...]", x.shape[2:])
        axes = [_axis(name, n, m, align, scale) for n, m, scale in zip(sizes, outputs, scales, strict=True)]
        if not name.endswith("_aa"):
            return resize(b, x, axes, outputs)
        for n in reversed(range(len(axes))):
            x = resize_axis(b, x, axes[n], 2 + n, outputs[n])
        return x

    return apply


for _name in (
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    "_upsample_lanczos2d_aa",
):  # fmt: skip
    lowers(f"aten::{_name}")(composite(_resize, "self|input"))
    lowers(f"aten::{_name}_backward")(composite_gradient(_resize, like(lambda call: call["input_size"])))


def _sample(call: Call) -> Forward:
    mode, padding = MODES[call.get("interpolation_mode", 0)], PADDING_MODES[call.get("padding_mode", 0)]
    align = bool(call.get("align_corners", True))
    return lambda b, x, grid: sampling.grid_sample(b, x, grid, mode, padding, align)


for _name in ("grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback", "cudnn_grid_sampler"):
    lowers(f"aten::{_name}")(composite(_sample, "self|input", "grid"))
    lowers(f"aten::{_name}_backward")(composite_gradient(_sample, "self|input", "grid"))


def _affine_grid(call: Call) -> Forward:
    sizes = tuple(int(size) for size in call["size"][2:])
    return lambda b, theta: sampling.affine_grid(b, theta, sizes, align=bool(call["align_corners"]))


_THETA = like(lambda call: (call.tensor("grad").shape[0], *(len(call["size"]) - 2 + more for more in (0, 1))))
lowers("aten::affine_grid_generator")(composite(_affine_grid, "theta"))
lowers("aten::affine_grid_generator_backward")(composite_gradient(_affine_grid, _THETA))
