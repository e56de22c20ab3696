"""Dense layers and convolutions."""

from __future__ import annotations

from typing import cast

from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import Convolution, Dense, TransposedConvolution
from nncost.backends.meaning.nodes import first, integers, mapped, nodes_of, optional, widths
from nncost.ir import ops
from nncost.ir.graph import Region


def dense(region: Region, constants: Constants) -> Dense | None:
    """One contraction of the last axis with weights (M, N), and at most one addition of a vector."""
    nodes = nodes_of(region)
    contract = nodes[0] if nodes else None
    maps = [node for node in nodes if isinstance(node.op, ops.Map)]
    if contract is None or not isinstance(contract.op, ops.Contract) or len(maps) != len(region.inputs) - 2:
        return None
    x, weight, bias = *region.inputs[:2], optional(region.inputs, 2)
    left, right, output = contract.op.terms
    plain = contract.inputs == (x, weight) and left[:-1] == output[:-1] and right == output[-1] + left[-1]
    if not plain or (bias is not None and (bias.shape != weight.shape[:1] or not _adds(region))):
        return None
    return Dense(x, weight, bias)


def _adds(region: Region) -> bool:
    """Whether the only elementwise operation is an addition of the bias, perhaps repeated for each row."""
    nodes = nodes_of(region)
    spread = [
        node.outputs[0] for node in nodes if isinstance(node.op, ops.Broadcast) and node.inputs[0] is region.inputs[2]
    ]
    additions = mapped(nodes, "add")
    return len(additions) == 1 and any(t in additions[0].inputs for t in (region.inputs[2], *spread))


def convolution(region: Region, constants: Constants) -> Convolution | None:
    """A padded window contracted with its kernels."""
    nodes = nodes_of(region)
    window, contract = first(nodes, ops.Window), first(nodes, ops.Contract)
    if window is None or contract is None:
        return None
    x, weight, bias = *region.inputs[:2], optional(region.inputs, 2)
    return Convolution(
        x, weight, bias, window.strides, widths(first(nodes, ops.Pad), x.rank - 2), window.dilations,
        cast("int", x.shape[1]) // cast("int", weight.shape[1]),
    )  # fmt: skip


def transposed_convolution(region: Region, constants: Constants) -> TransposedConvolution | None:
    """Each element spread over its taps, folded together, and cropped."""
    nodes = nodes_of(region)
    fold, pad = first(nodes, ops.Fold), first(nodes, ops.Pad)
    if fold is None:
        return None
    x, weight, bias = *region.inputs[:2], optional(region.inputs, 2)
    crop = tuple((-low, -high) for low, high in widths(pad, x.rank - 2))
    groups = integers(region.outputs[0].shape)[1] // integers(weight.shape)[1]
    return TransposedConvolution(x, weight, bias, fold.strides, crop, fold.dilations, groups)
