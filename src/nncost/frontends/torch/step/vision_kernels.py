"""torchvision's operators where its library has none for this PyTorch: what they return, for a step's run only.

Nothing is registered with PyTorch. An operator that has a kernel runs by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from nncost.frontends.torch.step.control_flow import above_autograd
from nncost.frontends.torch.step.fake_tensors import is_fake

Kernel = Callable[..., Any]


def vision_kernel(operator: Any, args: Sequence[Any]) -> Kernel | None:
    """What runs in the place of an operator of torchvision that has no kernel for its operands; None for any other."""
    if operator.namespace != "torchvision":
        return None
    name = operator.name().partition("::")[2].partition(".")[0]
    fake = is_fake(args[0])
    key = "Meta" if fake else "CPU"
    if torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), key):
        return None
    return (_SHAPED if fake else _COMPUTED).get(name)


# -------------------------------------------------------------------- boxes
def _nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """The boxes that no better one overlaps by more than the threshold, the best first."""
    left, top, right, bottom = boxes.unbind(1)
    areas = (right - left) * (bottom - top)
    order = scores.argsort(descending=True, stable=True)
    kept = []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        width = torch.minimum(right[best], right[order]) - torch.maximum(left[best], left[order])
        height = torch.minimum(bottom[best], bottom[order]) - torch.maximum(top[best], top[order])
        shared = width.clamp(min=0) * height.clamp(min=0)
        order = order[shared / (areas[best] + areas[order] - shared) <= iou_threshold]
    return torch.stack(kept) if kept else boxes.new_empty(0, dtype=torch.int64)


# -------------------------------------------------------------------- points between elements
def _axis(position: torch.Tensor, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The two neighbours of each coordinate and their shares, none beyond one element outside."""
    inside = ((position >= -1) & (position <= size)).to(position.dtype)
    clipped = position.clamp(0, size - 1)
    first = clipped.floor()
    share = (clipped - first) * inside
    return [(first.long(), inside - share), ((first.long() + 1).clamp(max=size - 1), share)]


def _points(image: torch.Tensor, start: Any, length: Any, size: Sequence[int], samples: int) -> torch.Tensor:
    """The mean of the points of each bin of one box: (C, *size)."""
    axes = []
    for axis in (0, 1):
        each = samples if samples > 0 else max(int((length[axis] / size[axis]).ceil()), 1)
        middles = torch.arange(size[axis] * each, dtype=image.dtype, device=image.device) + 0.5
        axes.append((_axis(start[axis] + middles * (length[axis] / (size[axis] * each)), image.shape[1 + axis]), each))
    (rows, down), (columns, across) = axes
    total = sum(
        image[:, row][:, :, column] * (high[:, None] * wide[None]) for row, high in rows for column, wide in columns
    )
    return total.reshape(-1, size[0], down, size[1], across).mean((2, 4))


def _box(box: torch.Tensor, scale: float, *, shift: float, least: float) -> tuple[int, Any, Any]:
    """The image of a box, where it starts and how long it is, rows first."""
    image, left, top, right, bottom = box.unbind()
    start = [edge * scale - shift for edge in (top, left)]
    length = [(edge * scale - shift - low).clamp(min=least) for edge, low in zip((bottom, right), start, strict=True)]
    return int(image), start, length


def _roi_align(
    x: torch.Tensor, rois: torch.Tensor, spatial_scale: float, pooled_height: int, pooled_width: int,
    sampling_ratio: int, aligned: bool,
) -> torch.Tensor:  # fmt: skip
    size = (pooled_height, pooled_width)
    pooled = []
    for box in rois:
        image, start, length = _box(box, spatial_scale, shift=0.5 * aligned, least=0.0 if aligned else 1.0)
        pooled.append(_points(x[image], start, length, size, sampling_ratio))
    return torch.stack(pooled) if pooled else x.new_empty((0, x.shape[1], *size))


def _own_channels(pooled: torch.Tensor, size: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each bin the channels that are its own, and which they are."""
    count, channels = pooled.shape[:2]
    left = channels // (size[0] * size[1])
    mapping = torch.arange(channels, dtype=torch.int32, device=pooled.device).reshape(1, left, *size)
    split = pooled.reshape(count, left, size[0], size[1], size[0], size[1])
    own = split.diagonal(dim1=2, dim2=4).diagonal(dim1=2, dim2=3)
    return own.contiguous(), mapping.expand(count, -1, -1, -1).contiguous()


def _ps_roi_align(
    x: torch.Tensor,
    rois: torch.Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = _roi_align(x, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, True)
    return _own_channels(pooled, (pooled_height, pooled_width))


# -------------------------------------------------------------------- whole elements
def _bins(start: float, length: float, bins: int, size: int) -> list[tuple[int, int]]:
    """Where each bin begins and ends, inside the image."""
    step = length / bins
    edges = [
        (int(torch.tensor(start + i * step).floor()), -int(torch.tensor(-start - (i + 1) * step).floor()))
        for i in range(bins)
    ]
    return [(min(max(low, 0), size), min(max(high, 0), size)) for low, high in edges]


def _roi_pool(
    x: torch.Tensor, rois: torch.Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = x.new_zeros((rois.shape[0], x.shape[1], pooled_height, pooled_width))
    places = torch.full(pooled.shape, -1, dtype=torch.int32, device=x.device)
    for number, box in enumerate(rois):
        left, top, right, bottom = (int((edge * spatial_scale).round()) for edge in box[1:])
        rows = _bins(top, max(bottom - top + 1, 1), pooled_height, x.shape[2])
        columns = _bins(left, max(right - left + 1, 1), pooled_width, x.shape[3])
        for i, (low, high) in enumerate(rows):
            for j, (first, last) in enumerate(columns):
                piece = x[int(box[0]), :, low:high, first:last]
                if piece.numel():
                    pooled[number, :, i, j], at = piece.flatten(1).max(1)
                    width = last - first
                    places[number, :, i, j] = ((low + at // width) * x.shape[3] + first + at % width).int()
    return pooled, places


def _ps_roi_pool(
    x: torch.Tensor, rois: torch.Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    size = (pooled_height, pooled_width)
    pooled = x.new_zeros((rois.shape[0], x.shape[1], *size))
    for number, box in enumerate(rois):
        left, top = (float(edge.round()) * spatial_scale for edge in box[1:3])
        right, bottom = (float((edge + 1).round()) * spatial_scale for edge in box[3:5])
        rows = _bins(top, max(bottom - top, 0.1), pooled_height, x.shape[2])
        columns = _bins(left, max(right - left, 0.1), pooled_width, x.shape[3])
        for i, (low, high) in enumerate(rows):
            for j, (first, last) in enumerate(columns):
                if high > low and last > first:
                    pooled[number, :, i, j] = x[int(box[0]), :, low:high, first:last].mean((1, 2))
    return _own_channels(pooled, size)


# -------------------------------------------------------------------- deformable convolution
def _deform_conv2d(
    x: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, bias: torch.Tensor,
    stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int, dilation_w: int, groups: int,
    offset_groups: int, use_mask: bool,
) -> torch.Tensor:  # fmt: skip
    batch, channels, height, width = x.shape
    kernel, outputs = weight.shape[2:], offset.shape[2:]
    rows, taps = batch * offset_groups, kernel[0] * kernel[1]
    grid = torch.meshgrid(*(torch.arange(n, device=x.device) for n in (*kernel, *outputs)), indexing="ij")
    places = (
        grid[2] * stride_h - pad_h + grid[0] * dilation_h,
        grid[3] * stride_w - pad_w + grid[1] * dilation_w,
    )
    pairs = offset.reshape(rows, taps, 2, -1)
    down, across = (pairs[:, :, axis].reshape(rows, -1) + places[axis].reshape(1, -1) for axis in (0, 1))
    padded = torch.nn.functional.pad(x.reshape(rows, -1, height, width), (1, 2, 1, 2))
    flat = padded.flatten(2)
    sampled: Any = 0
    top, left = down.clamp(-1, height).floor(), across.clamp(-1, width).floor()
    for step_down in (0, 1):
        for step_across in (0, 1):
            share = (1 - (down - top - step_down).abs()) * (1 - (across - left - step_across).abs())
            inside = (down > -1) & (down < height) & (across > -1) & (across < width)
            index = ((top + step_down + 1) * (width + 3) + left + step_across + 1).long()
            taken = flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1))
            sampled = sampled + taken * (share * inside)[:, None]
    if use_mask:
        sampled = sampled * mask.reshape(rows, 1, -1)
    pieces = sampled.reshape(batch, groups, channels // groups, taps, -1)
    kernels = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], taps)
    y = torch.einsum("bgckp,gock->bgop", pieces, kernels).reshape(batch, weight.shape[0], *outputs)
    return y + bias[:, None, None]


# -------------------------------------------------------------------- gradients
def _gradients(
    kernel: Kernel, gradient: torch.Tensor, operands: Sequence[torch.Tensor], *rest: Any
) -> list[torch.Tensor]:
    """The gradients of a kernel's first result by its operands."""
    with above_autograd(), torch.enable_grad():
        leaves = [operand.detach().requires_grad_() for operand in operands]
        result = kernel(*leaves, *rest)
        result = result[0] if isinstance(result, tuple) else result
        if not result.requires_grad:  # there is no box
            return [torch.zeros_like(operand) for operand in operands]
        found = torch.autograd.grad(result, leaves, gradient, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(operands, found, strict=True)]


def _roi_align_backward(
    gradient: torch.Tensor, rois: torch.Tensor, scale: float, height: int, width: int, n: int, c: int, h: int, w: int,
    samples: int, aligned: bool,
) -> torch.Tensor:  # fmt: skip
    image = gradient.new_zeros((n, c, h, w))
    return _gradients(_roi_align, gradient, [image], rois, scale, height, width, samples, aligned)[0]


def _ps_roi_align_backward(
    gradient: torch.Tensor, rois: torch.Tensor, _: Any, scale: float, height: int, width: int, samples: int, *sizes: int
) -> torch.Tensor:
    return _gradients(_ps_roi_align, gradient, [gradient.new_zeros(sizes)], rois, scale, height, width, samples)[0]


def _ps_roi_pool_backward(
    gradient: torch.Tensor, rois: torch.Tensor, _: Any, scale: float, height: int, width: int, *sizes: int
) -> torch.Tensor:
    return _gradients(_ps_roi_pool, gradient, [gradient.new_zeros(sizes)], rois, scale, height, width)[0]


def _roi_pool_backward(
    gradient: torch.Tensor, rois: torch.Tensor, places: torch.Tensor, _scale: float, _height: int, _width: int,
    n: int, c: int, h: int, w: int,
) -> torch.Tensor:  # fmt: skip
    image = gradient.new_zeros((n, c, h * w))
    for number, box in enumerate(rois):
        at = places[number].flatten(1).long()
        image[int(box[0])].scatter_add_(1, at.clamp(min=0), gradient[number].flatten(1) * (at >= 0))
    return image.reshape(n, c, h, w)


def _deform_conv2d_backward(gradient: torch.Tensor, *args: Any) -> list[torch.Tensor]:
    return _gradients(_deform_conv2d, gradient, args[:5], *args[5:])


_COMPUTED: Mapping[str, Kernel] = {
    "nms": _nms, "roi_align": _roi_align, "ps_roi_align": _ps_roi_align, "roi_pool": _roi_pool,
    "ps_roi_pool": _ps_roi_pool, "deform_conv2d": _deform_conv2d, "_deform_conv2d_backward": _deform_conv2d_backward,
    "_roi_align_backward": _roi_align_backward, "_ps_roi_align_backward": _ps_roi_align_backward,
    "_roi_pool_backward": _roi_pool_backward, "_ps_roi_pool_backward": _ps_roi_pool_backward,
}  # fmt: skip


# -------------------------------------------------------------------- shapes
def _pooled(x: torch.Tensor, rois: torch.Tensor, _scale: float, height: int, width: int, *_: Any) -> torch.Tensor:
    return x.new_empty((rois.shape[0], x.shape[1], height, width))


def _pooled_with_places(x: torch.Tensor, rois: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = _pooled(x, rois, *rest)
    return pooled, pooled.new_empty(pooled.shape, dtype=torch.int32)


def _own_pooled(
    x: torch.Tensor, rois: torch.Tensor, _scale: float, height: int, width: int, *_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = x.new_empty((rois.shape[0], x.shape[1] // (height * width), height, width))
    return pooled, pooled.new_empty(pooled.shape, dtype=torch.int32)


def _image_of(first: int) -> Kernel:
    """The gradient of an image whose sizes stand among the arguments from ``first`` on."""
    return lambda gradient, *rest: gradient.new_empty(tuple(rest[first : first + 4]))


_SHAPED: Mapping[str, Kernel] = {
    "roi_align": _pooled, "roi_pool": _pooled_with_places, "ps_roi_align": _own_pooled, "ps_roi_pool": _own_pooled,
    "deform_conv2d": lambda x, weight, offset, *_: x.new_empty((x.shape[0], weight.shape[0], *offset.shape[2:])),
    "_deform_conv2d_backward": lambda _, *args: [torch.empty_like(tensor) for tensor in args[:5]],
    "_roi_align_backward": _image_of(4), "_ps_roi_align_backward": _image_of(6),
    "_roi_pool_backward": _image_of(5), "_ps_roi_pool_backward": _image_of(5),
}  # fmt: skip
