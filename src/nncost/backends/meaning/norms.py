"""Normalisation layers."""

from __future__ import annotations

from typing import cast

from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import BatchNorm, GroupNorm, LayerNorm, LocalResponse
from nncost.backends.meaning.nodes import first, mapped, nodes_of
from nncost.ir import ops
from nncost.ir.graph import Node, Region, Tensor
from nncost.ir.layers import Normalise


def _epsilon(nodes: list[Node], constants: Constants) -> float | None:
    """What is added under the first square root."""
    roots = mapped(nodes, "sqrt")
    inside = constants.producers.get(roots[0].inputs[0]) if roots else None
    return None if inside is None or inside.op != ops.Map("add") else constants.number(inside.inputs[1])


def batch_norm(region: Region, constants: Constants) -> BatchNorm | None:
    """With batch statistics where the region updates running averages."""
    nodes = nodes_of(region)
    epsilon = _epsilon(nodes, constants)
    if epsilon is None:
        return None
    x, scale, shift, mean, variance = region.inputs
    if not region.effects:
        return BatchNorm(x, scale, shift, mean, variance, epsilon, None)
    blended = constants.producers[region.effects[0]]
    fresh = constants.producers[blended.inputs[1]]
    momentum = constants.number(fresh.inputs[0])
    return None if momentum is None else BatchNorm(x, scale, shift, mean, variance, epsilon, momentum)


def _normalise(region: Region) -> Region | None:
    return next((item for item in region.items if isinstance(item, Region) and item.layer.name == "normalise"), None)


def layer_norm(region: Region, constants: Constants) -> LayerNorm | None:
    """Layer norm and RMS norm: the last axes, with an optional scale and shift of their shape."""
    inner, epsilon = _normalise(region), _epsilon(nodes_of(region), constants)
    if inner is None or epsilon is None:
        return None
    settings = inner.settings(Normalise)
    given = list(inner.inputs[1:])
    scale = given.pop(0) if settings.scale else None
    axes = len(settings.axes)
    x, shift = region.inputs[0], given[0] if given else None
    expected = x.shape[x.rank - axes :]
    if any(tensor is not None and tensor.shape != expected for tensor in (scale, shift)):
        return None
    return LayerNorm(x, scale, shift, axes, epsilon, settings.centre)


def group_norm(region: Region, constants: Constants) -> GroupNorm | None:
    """Groups of channels; an affine map for each channel where there is one."""
    nodes, inner = nodes_of(region), _normalise(region)
    grouped, epsilon = first(nodes, ops.Reshape), _epsilon(nodes, constants)
    if inner is None or grouped is None or epsilon is None:
        return None
    groups = cast("int", grouped.shape[1])
    outside = [node for node in region.items if isinstance(node, Node)]
    affine = {name: _operand(region, mapped(outside, name), constants) for name in ("mul", "add")}
    return GroupNorm(
        region.inputs[0], groups, affine["mul"], affine["add"], epsilon, groups == region.inputs[0].shape[1]
    )


def _operand(region: Region, nodes: list[Node], constants: Constants) -> Tensor | None:
    """The region's vector that is broadcast into one of the nodes."""
    for node in nodes:
        source = node.inputs[1]
        while source not in region.inputs and source in constants.producers:
            source = constants.producers[source].inputs[0]
        if source in region.inputs:
            return source
    return None


def local_response(region: Region, constants: Constants) -> LocalResponse | None:
    """An odd window over channels; frameworks disagree about where an even one stands."""
    nodes = nodes_of(region)
    window, powers, sums = first(nodes, ops.Window), mapped(nodes, "pow"), mapped(nodes, "add")
    products = mapped(nodes, "mul")
    if window is None or len(powers) != 1 or len(sums) != 1 or len(products) != 1:
        return None
    size = cast("int", window.sizes[0])
    beta, bias, slope = (constants.number(t) for t in (powers[0].inputs[1], sums[0].inputs[0], products[0].inputs[0]))
    if size % 2 == 0 or beta is None or bias is None or slope is None:
        return None
    return LocalResponse(region.inputs[0], size, slope * size, beta, bias)
