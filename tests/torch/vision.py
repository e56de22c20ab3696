"""torchvision beside a CPU build of PyTorch: its wheel is built for CUDA, so its own operators are declared here."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import torch

DECLARED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    (
        "qroi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    ),
    (
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    ),
    (
        "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "SymInt batch_size, SymInt channels, SymInt height, SymInt width, int sampling_ratio, bool aligned) -> Tensor"
    ),
    (
        "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
        "-> (Tensor, Tensor)"
    ),
    (
        "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt pooled_height, "
        "SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor"
    ),
    (
        "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio) -> (Tensor, Tensor)"
    ),
    (
        "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, "
        "SymInt pooled_height, SymInt pooled_width, int sampling_ratio, SymInt batch_size, SymInt channels, "
        "SymInt height, SymInt width) -> Tensor"
    ),
    (
        "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
        "-> (Tensor, Tensor)"
    ),
    (
        "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, "
        "SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) "
        "-> Tensor"
    ),
    (
        "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
        "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
        "SymInt offset_groups, bool use_mask) -> Tensor"
    ),
    (
        "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
        "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, "
        "SymInt groups, SymInt offset_groups, bool use_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
    ),
)


def _missing(name: str) -> bool:
    return not hasattr(torch.ops.torchvision, name)


def import_torchvision() -> Any:
    """The torchvision package, its missing operators declared first; they count as there, with what is written in Python."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    missing = [schema for schema in DECLARED if _missing(schema.partition("(")[0])]
    for schema in missing:
        library.define(schema)
    _KEPT.append(library)
    package = importlib.import_module("torchvision")
    if missing:
        _there(package)
    return package


def _there(package: Any) -> None:
    """The library is taken for loaded: shapes and gradients are registered, and nothing asks for it."""
    package.extension._has_ops = lambda: True
    for name, module in list(sys.modules.items()):
        if name.startswith("torchvision") and hasattr(module, "_assert_has_ops"):
            module._assert_has_ops = lambda: None
            module._has_ops = lambda: True
    shapes = importlib.import_module("torchvision._meta_registrations")
    for schema in DECLARED:
        name = schema.partition("(")[0]
        if not name.endswith("nms"):
            operator = getattr(torch.ops.torchvision, name).default
            shapes.get_meta_lib().impl(operator, getattr(shapes, f"meta_{name.lstrip('_')}"))
    importlib.reload(importlib.import_module("torchvision._autograd_registrations"))


_KEPT: list[object] = []
"""Declarations live as long as their library object."""
