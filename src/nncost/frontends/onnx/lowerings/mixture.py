"""Mixtures of experts of onnxruntime's domain."""

from __future__ import annotations

from nncost.dims import exact_divide, product
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.lowerings.microsoft import DOMAIN
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import activation
from nncost.ir.library.experts import chosen_product, mixture

WEIGHTS, GATE = (2, 4), 6
"""Positions of the matrices of the first and the second layer, each before its bias, and of the gate's."""
FUNCTIONS = {"relu": "relu", "gelu": "gelu", "silu": "silu", "identity": ""}


@lowers("MoE", domain=DOMAIN)
def _mixture(call: Call) -> Tensor:
    """Rows (…, H) by router scores (rows, E); each meets k experts of two layers, or of three with a gate."""
    b, x, a = call.builder, call.ranked(0, 2, 3), call.attributes
    count, kind = a.integer("k", 1), a.text("activation_type", "relu")
    if a.flag("use_sparse_mixer", False):
        raise Unlowered("a sparse mixer")
    if kind not in (*FUNCTIONS, "swiglu"):
        raise SourceError(
            f"the attribute 'activation_type' is relu, gelu, silu, swiglu or identity, received {kind!r}."
        )
    rows = b.reshape(x, (product(x.shape[:-1]), x.shape[-1]))
    first, second = (_layer(call, position) for position in WEIGHTS)
    gate = _layer(call, GATE) if call.has(GATE) else None

    def feed(inner: Tensor, expert: Tensor) -> Tensor:
        hidden = chosen_product(b, inner, *first, expert)
        other = None if gate is None else chosen_product(b, inner, *gate, expert)
        hidden = _swiglu(call, hidden, other) if kind == "swiglu" else _gated(b, FUNCTIONS[kind], hidden, other)
        return chosen_product(b, hidden, *second, expert)

    y = mixture(b, rows, call.ranked(1, 2, 2), count, feed, normalised=a.flag("normalize_routing_weights", False))
    return b.reshape(y, x.shape)


def _layer(call: Call, position: int) -> tuple[Tensor, Tensor | None]:
    bias = call.ranked(position + 1, 2, 2, "bias") if call.has(position + 1) else None
    return call.ranked(position, 3, 3, "weight"), bias


def _gated(b: Builder, function: str, x: Tensor, other: Tensor | None) -> Tensor:
    y = activation(b, function, x) if function else x
    return y if other is None else b.map("mul", y, other)


def _swiglu(call: Call, x: Tensor, other: Tensor | None) -> Tensor:
    """G·σ(αG)·(L + β), G and L bounded: 3 mul, 1 add, 1 sigmoid; 3 cmp for the bounds."""
    b, a, fusion = call.builder, call.attributes, call.attributes.integer("swiglu_fusion", 0)
    if fusion == 0 and other is None:
        raise ShapeError("swiglu without a fusion needs a third layer.")
    gate, linear = (x, other) if fusion == 0 and other is not None else _halves(b, x, interleaved=fusion == 1)
    with b.region(Operation("swiglu"), gate, linear, activations=gate.elements) as region:
        limit = a.number("swiglu_limit", 0.0)
        if limit > 0:
            gate, linear = b.map("min", gate, limit), b.map("clip", linear, -limit, limit)
        alpha, beta = a.number("activation_alpha", 1.0), a.number("activation_beta", 0.0)
        shifted = b.map("add", linear, beta) if beta else linear
        steep = b.map("mul", gate, alpha) if alpha != 1 else gate
        region.returns(b.map("mul", b.map("mul", gate, b.map("sigmoid", steep)), shifted))
    return region.outputs[0]


def _halves(b: Builder, x: Tensor, *, interleaved: bool) -> tuple[Tensor, Tensor]:
    """The two halves of each row: every other number, or one half behind the other."""
    if not interleaved:
        first, second = b.chunk(x, 2, 1)
        return first, second
    half = exact_divide(x.shape[1], 2)
    pair = b.chunk(b.reshape(x, (x.shape[0], half, 2)), 2, 2)
    first, second = (b.reshape(part, (x.shape[0], half)) for part in pair)
    return first, second
