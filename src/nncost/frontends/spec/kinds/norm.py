"""Normalisation layers."""

from __future__ import annotations

from nncost.dims import Dim
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.kinds.spatial import IMAGE, image
from nncost.frontends.spec.layers import Context, layer, needs
from nncost.frontends.spec.sizes import number_or_none
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import norm


def _affine_pair(b: Builder, shape: tuple[Dim, ...]) -> tuple[Tensor, Tensor]:
    return b.parameter(shape, "weight", "weight"), b.parameter(shape, "bias", "bias")


@layer("batchnorm", examples=["CxHxW, batchnorm"])
def _batchnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Batch normalisation of each channel."""
    needs(a, x, (2, 3, 4, 5), f"N, {IMAGE}", c)
    scale, shift = _affine_pair(c.builder, (x.shape[1],))
    mean = c.builder.parameter((x.shape[1],), "buffer", "running_mean")
    variance = c.builder.parameter((x.shape[1],), "buffer", "running_var")
    return norm.batch_norm(c.builder, x, scale, shift, mean, variance)


@layer("layernorm")
def _layernorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Layer normalisation of the last axis."""
    scale, shift = _affine_pair(c.builder, (x.shape[-1],))
    return norm.layer_norm(c.builder, x, scale, shift)


@layer("rmsnorm")
def _rmsnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Root-mean-square normalisation of the last axis."""
    return norm.rms_norm(c.builder, x, c.builder.parameter((x.shape[-1],), "weight", "weight"))


@layer("groupnorm", ["g"], examples=["CxN, groupnorm 2"])
def _groupnorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Normalisation over G groups of channels."""
    image(a, x, c)
    groups = c.sizes.integer(a.required("g", "groupnorm 8"), "G")
    number = number_or_none(x.shape[1])
    if number is not None and number % groups:
        raise c.sizes.error(f"groupnorm {groups} does not divide {number} channels", a.layer.name)
    scale, shift = _affine_pair(c.builder, (x.shape[1],))
    return norm.group_norm(c.builder, x, groups, scale, shift)


@layer("instancenorm", flags=["affine"], examples=["CxN, instancenorm affine"])
def _instancenorm(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Normalisation of each channel of each example; without parameters unless affine."""
    image(a, x, c)
    scale, shift = _affine_pair(c.builder, (x.shape[1],)) if a.flag("affine") else (None, None)
    return norm.instance_norm(c.builder, x, scale, shift)


@layer("lrn", ["size"], examples=["CxHxW, lrn 5"])
def _lrn(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Local response normalisation over SIZE neighbouring channels."""
    image(a, x, c)
    return norm.local_response_norm(c.builder, x, size=a.integer("size", 5))
