"""Images sampled at positions that are data."""

from __future__ import annotations

from typing import cast

from nncost.dims import Shape, is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.treatments import REFUSED
from nncost.frontends.onnx.values import Unlowered
from nncost.frontends.onnx.windows import settings_of_windows
from nncost.ir.graph import Tensor
from nncost.ir.library import grid_sample
from nncost.ir.library.crops import crop_and_resize
from nncost.ir.library.deformable import deformable_conv

_MODES: dict[str, grid_sample.Mode] = {
    "linear": "linear", "bilinear": "linear", "nearest": "nearest", "cubic": "cubic", "bicubic": "cubic",
}  # fmt: skip
_PADDINGS: tuple[grid_sample.PaddingMode, ...] = ("zeros", "border", "reflection")
MICROSOFT = "com.microsoft"


def _known(shape: Shape) -> None:
    """Positions are multiplied by sizes, which must be numbers."""
    if any(map(is_symbolic, shape)):
        raise Unlowered("an image whose size is a symbol")


def _grid_sample(call: Call) -> Tensor:
    x, grid = call.tensor(0), call.tensor(1)
    mode, padding = call.attributes.text("mode", "linear"), call.attributes.text("padding_mode", "zeros")
    if mode not in _MODES or padding not in _PADDINGS:
        raise SourceError(f"there is no mode {mode!r} with a padding of {padding!r}.")
    if x.rank < 3 or grid.rank != x.rank or grid.shape[-1] != x.rank - 2:
        raise ShapeError(f"a grid of {grid.shape} does not fit an image of {x.shape}.")
    _known((*x.shape[2:], *grid.shape[1:]))
    align = call.attributes.flag("align_corners", False)
    return grid_sample.grid_sample(call.builder, x, grid, _MODES[mode], padding, align)


lowers("GridSample", since=16)(_grid_sample)
lowers("GridSample", domain=MICROSOFT)(_grid_sample)


@lowers("AffineGrid", since=20)
def _affine_grid(call: Call) -> Tensor:
    """The points that affine maps send the elements of an image of a known size to."""
    theta, size = call.ranked(0, 3, 3), call.integers(1)
    dims = len(size) - 2
    if dims < 1 or theta.shape[1:] != (dims, dims + 1):
        raise ShapeError(f"maps of {theta.shape} do not fit an image of {size}.")
    _known(tuple(size))
    sizes = cast("list[int]", size[2:])
    return grid_sample.affine_grid(call.builder, theta, sizes, align=call.attributes.flag("align_corners", False))


@lowers("DeformConv", since=19)
def _deformable_conv(call: Call) -> Tensor:
    """A convolution whose taps are moved by offsets that are data, and weighted by a mask."""
    x, offset = call.ranked(0, 3, 5), call.tensor(2)
    weight = call.ranked(1, x.rank, x.rank, "weight")
    bias = call.ranked(3, 1, 1, "bias") if call.has(3) else None
    _known((*x.shape[2:], *offset.shape[2:]))
    strides, dilations, padding = settings_of_windows(call, x.rank - 2)
    return deformable_conv(
        call.builder, x, weight, offset, call.optional(4), bias, stride=strides,
        padding=[low for low, _ in padding], dilation=dilations, groups=call.attributes.integer("group", 1),
        offset_groups=call.attributes.integer("offset_group", 1),
    )  # fmt: skip


@lowers("CropAndResize", domain=MICROSOFT)
def _crop_and_resize(call: Call) -> Tensor:
    """Boxes cut out of images and resized to one size, by two neighbours along each axis or the nearest one."""
    x, boxes, image = call.ranked(0, 4, 4), call.ranked(1, 2, 2), call.ranked(2, 1, 1)
    size = call.numbers(3)
    mode = call.attributes.text("mode", "bilinear")
    if mode not in ("bilinear", "nearest") or len(size) != 2:
        raise SourceError(f"there is no mode {mode!r} with a size of {size}.")
    _known(x.shape[2:])
    return crop_and_resize(
        call.builder, x, boxes, image, (size[0], size[1]), mode="linear" if mode == "bilinear" else "nearest",
        outside=call.attributes.number("extrapolation_value", 0.0),
    )  # fmt: skip


@lowers("ImageDecoder", since=20)
def _image_decoder(call: Call) -> Tensor:
    """The bytes of a compressed image decide how large it is and how much work it takes."""
    raise Unlowered(REFUSED["ImageDecoder"])
