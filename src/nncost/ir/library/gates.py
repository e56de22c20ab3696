"""Gated linear units, and leaky rectifiers whose slopes are drawn."""

from __future__ import annotations

from nncost.dims import exact_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation


def glu(b: Builder, x: Tensor, axis: int = -1) -> Tensor:
    """The first half of an axis times the sigmoid of the second (Dauphin et al. 2017): 1 mul, 1 sigmoid per output."""
    with b.region(Activation("glu"), x, activations=exact_divide(x.elements, 2)) as region:
        value, gate = b.chunk(x, 2, axis)
        region.returns(b.map("mul", value, b.map("sigmoid", gate)))
    return region.outputs[0]


def swiglu(b: Builder, gate: Tensor, value: Tensor, slope: float = 1.0) -> Tensor:
    """gate·σ(slope·gate)·value (Shazeer 2020, arXiv 2002.05202): 2 mul and 1 sigmoid, 1 mul more for a slope that is not one."""
    with b.region(Activation("swiglu", (slope,)), gate, value, activations=value.elements) as region:
        steep = gate if slope == 1 else b.map("mul", slope, gate)
        region.returns(b.map("mul", b.map("mul", gate, b.map("sigmoid", steep)), value))
    return region.outputs[0]


def random_leaky_relu(b: Builder, x: Tensor, low: float, high: float) -> Tensor:
    """x if x > 0, else x times a slope drawn between two bounds: 1 random, 2 mul, 1 add, 1 cmp."""
    with b.region(Activation("rrelu"), x, activations=x.elements) as region:
        slope = b.map("add", b.map("mul", b.emit(ops.Random(x.shape)), high - low), low)
        region.returns(b.map("where_positive", x, x, b.map("mul", x, slope)))
    return region.outputs[0]
