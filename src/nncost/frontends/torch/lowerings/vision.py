"""Operators of torchvision: deformable convolution, pooling inside boxes, suppression of overlapping boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.gradient import Forward, composite, gradient
from nncost.frontends.torch.lowerings.operands import algorithm, closed_form
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.deformable import deformable_conv
from nncost.ir.library.region_sizes import largest_bin, sampled_counts
from nncost.ir.library.regions import Bins, region_align
from nncost.ir.library.suppression import suppression_counts


def _deformable(call: Call) -> Forward:
    settings: Mapping[str, Any] = {
        "stride": (call["stride_h"], call["stride_w"]),
        "padding": (call["pad_h"], call["pad_w"]),
        "dilation": (call["dilation_h"], call["dilation_w"]),
        "groups": call["groups"],
        "offset_groups": call["offset_groups"],
    }
    masked = bool(call["use_mask"])

    def apply(b: Builder, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor) -> Tensor:
        return deformable_conv(b, x, weight, offset, mask if masked else None, bias, **settings)

    return apply


_DEFORMED = ("input", "weight", "offset", "mask", "bias")
lowers("torchvision::deform_conv2d")(composite(_deformable, *_DEFORMED))


@lowers("torchvision::_deform_conv2d_backward")
def _deformable_backward(call: Call) -> Lowered:
    """Every gradient, whoever asks: the kernels compute all of them; without a mask none of it."""
    operands = [call.tensor(name) for name in _DEFORMED]
    wanted = (True, True, True, bool(call["use_mask"]), True)
    return gradient(call.builder, _deformable(call), operands, call.tensor("grad"), wanted)


# -------------------------------------------------------------------- pooling inside boxes
def _size(call: Call) -> tuple[int, int]:
    return call["pooled_height"], call["pooled_width"]


def _image(call: Call) -> tuple[Dim, ...]:
    """The shape of the image that is pooled."""
    given = call.get("input")
    return given.shape if given is not None else tuple(call[n] for n in ("batch_size", "channels", "height", "width"))


def _largest_bin(call: Call) -> Dim:
    """The elements of a bin of a box that covers the whole image."""
    return largest_bin(_image(call), _size(call))


def _align(call: Call) -> Forward:
    """As many points for each bin and axis as given; boxes of the position-sensitive form are always aligned."""
    bins = Bins(
        _size(call), (call["sampling_ratio"],) * 2, float(call["spatial_scale"]), bool(call.get("aligned", True)),
        per_bin="ps_" in call.name,
    )  # fmt: skip
    return lambda b, x, boxes: region_align(b, x, boxes, bins)


def _aligned(call: Call) -> Lowered:
    if call["sampling_ratio"] > 0:
        return composite(_align, "input", "rois")(call)
    return algorithm(call, _sampled(call), estimated=True)


def _aligned_backward(call: Call) -> Lowered:
    if call["sampling_ratio"] > 0:
        g = call.tensor("grad")
        x = call.builder.full(_image(call), 0.0, g.dtype)
        return gradient(call.builder, _align(call), [x, call.tensor("rois")], g, (True, False))[:1]
    amount = 4 * call.tensor("grad").elements * _largest_bin(call)
    return algorithm(call, {"mul": amount, "add": amount}, estimated=True)


def _sampled(call: Call) -> dict[str, Dim]:
    """At most a point for each element of a bin."""
    return sampled_counts(call.elements * _largest_bin(call), call.elements)


for _name in ("roi_align", "ps_roi_align"):
    lowers(f"torchvision::{_name}")(_aligned)
    lowers(f"torchvision::_{_name}_backward")(_aligned_backward)

# Bins are whole elements whose number the data decide: at most those of a box that covers the whole image.
lowers("torchvision::roi_pool")(
    closed_form(lambda call: {"cmp": call.elements * (_largest_bin(call) - 1)}, estimated=True)
)
lowers("torchvision::_roi_pool_backward")(closed_form(lambda call: {"add": call.tensor("grad").elements}))
lowers("torchvision::ps_roi_pool")(
    closed_form(lambda call: {"add": call.elements * (_largest_bin(call) - 1), "div": call.elements}, estimated=True)
)
lowers("torchvision::_ps_roi_pool_backward")(
    closed_form(
        lambda call: {"add": call.tensor("grad").elements * _largest_bin(call), "div": call.tensor("grad").elements},
        estimated=True,
    )
)


@lowers("torchvision::nms")
def _suppressed(call: Call) -> Lowered:
    """At most every box with every other; sorted by their scores first."""
    return algorithm(call, suppression_counts(call.tensor("dets").shape[0]), estimated=True)
