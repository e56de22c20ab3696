"""Linear attention, attention with functions of the file, causal convolutions with a state, gated units."""

from __future__ import annotations

from nncost.dims import exact_divide, is_symbolic, same, same_shape, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.attention import precision
from nncost.frontends.onnx.values import Computed
from nncost.ir.graph import Tensor
from nncost.ir.library import gates, linear_attention
from nncost.ir.library.activations import activation
from nncost.ir.library.casts import computing_in, in_type
from nncost.ir.library.causal_conv import causal_conv
from nncost.ir.library.flex_attention import Modify, flex_attention
from nncost.ir.library.sequence import merge_heads, split_heads

RULES = {"linear": (False, False), "gated": (True, False), "delta": (False, True), "gated_delta": (True, True)}
"""Whether an update rule of linear attention has a decay, and whether it has a rate."""
STATE, DECAY, RATE = 3, 4, 5


# ------------------------------------------------------------------- linear attention
@lowers("LinearAttention", since=27)
def _linear_attention(call: Call) -> Lowered:
    """Operands as (B, T, heads·width); the state is kept in single precision."""
    b, wide, dtype = call.builder, linear_attention.STATE, call.value(0).dtype
    heads, groups = _heads(call)
    query, key, value = (
        in_type(b, split_heads(b, call.ranked(n, 3, 3), count), wide) for n, count in enumerate((heads, groups, groups))
    )
    has_decay, has_rate = _rule(call)
    decay = _by_head(call, DECAY, groups, wide) if has_decay else None
    rate = _by_head(call, RATE, groups, wide) if has_rate else None
    shape = (query.shape[0], groups, query.shape[3], value.shape[3])
    before = call.constant(STATE) if call.has(STATE) else b.full(shape, 0.0, dtype)
    if not same_shape(before.shape, shape):
        raise ShapeError(f"a state of {shape_text(before.shape)} where {shape_text(shape)} is needed.")
    scale = call.attributes.number("scale", 0.0) or None
    with computing_in(b, wide):
        y, after = linear_attention.linear_attention(
            b, query, key, value, in_type(b, before, wide), decay=decay, rate=rate, scale=scale
        )
    return in_type(b, merge_heads(b, y), dtype), in_type(b, after, before.dtype)


def _heads(call: Call) -> tuple[int, int]:
    heads, groups = (call.attributes.integer(f"{letter}_num_heads", 0) for letter in ("q", "kv"))
    if groups < 1 or heads < 1 or heads % groups:
        raise SourceError(f"{heads} heads of queries are no multiple of {groups} heads of keys.")
    return heads, groups


def _rule(call: Call) -> tuple[bool, bool]:
    name = call.attributes.text("update_rule", "gated_delta")
    if name not in RULES:
        raise SourceError(f"the attribute 'update_rule' is one of {', '.join(RULES)}, received {name!r}.")
    if RULES[name] != (call.has(DECAY), call.has(RATE)):
        raise SourceError(f"the update rule {name!r} does not go with the decay and the rate that are given.")
    return RULES[name]


def _by_head(call: Call, position: int, groups: int, dtype: str) -> Tensor:
    """A decay or a rate (B, T, n) as (B, heads, T, n/heads): one for all heads, one for each, or one for each feature."""
    x = call.ranked(position, 3, 3)
    heads = 1 if same(x.shape[2], 1) else groups
    if not is_symbolic(x.shape[2]) and x.shape[2] % heads:
        raise ShapeError(f"operand {position + 1} has {x.shape[2]} numbers for {groups} heads.")
    made = in_type(call.builder, split_heads(call.builder, x, heads), dtype)
    return call.builder.broadcast(made, (made.shape[0], groups, *made.shape[2:]))


# ------------------------------------------------------------------- functions of the file
@lowers("FlexAttention", domain="ai.onnx.preview")
def _flex_attention(call: Call) -> Tensor:
    """The file's graphs compute on scores and on probabilities."""
    query, key, value = (call.ranked(n, 4, 4) for n in range(3))
    exact_divide(query.shape[1], key.shape[1])
    wide = precision(call) or ("float64" if query.dtype == "float64" else "float32")
    scale = call.attributes.number("scale", 0.0) if "scale" in call.attributes else None
    return flex_attention(
        call.builder, query, key, value, scale=scale, precision=wide,
        of_scores=_body(call, "score_mod"), of_probabilities=_body(call, "prob_mod"),
    )  # fmt: skip


def _body(call: Call, name: str) -> Modify | None:
    if name not in call.attributes:
        return None

    def modified(x: Tensor) -> Tensor:
        (value,) = call.walk.run_graph(call.attributes.graph(name), [Computed(x)], name)
        made = call.walk.tensors.of(value, None)
        if not same_shape(made.shape, x.shape):
            raise ShapeError(f"its {name} makes {shape_text(made.shape)} of {shape_text(x.shape)}.")
        return in_type(call.builder, made, x.dtype)

    return modified


# ------------------------------------------------------------------- convolutions with a state
@lowers("CausalConvWithState", since=27)
def _causal_conv(call: Call) -> Lowered:
    x, weight = call.ranked(0, 3, 3), call.ranked(1, 3, 3, "weight")
    bias = call.ranked(2, 1, 1, "bias") if call.has(2) else None
    past = call.constant(3) if call.has(3) else None
    function = call.attributes.text("activation", "none")
    if function not in ("none", "silu", "swish"):
        raise SourceError(f"the attribute 'activation' is none, silu or swish, received {function!r}.")
    y, last = causal_conv(call.builder, x, weight, bias, past)
    return y if function == "none" else activation(call.builder, "silu", y), last


# ------------------------------------------------------------------- gated units
@lowers("Swish", since=24)
def _swish(call: Call) -> Tensor:
    slope = call.attributes.number("alpha", 1.0)
    return activation(call.builder, "silu" if slope == 1 else "swish", call.tensor(0), *([] if slope == 1 else [slope]))


@lowers("SwiGLU", since=28)
def _swiglu(call: Call) -> Tensor:
    """x·σ(αx)·y: 2 mul and 1 sigmoid for each element, 1 mul more for an α."""
    gate, value = call.tensor(0), call.tensor(1)
    if not same_shape(gate.shape, value.shape):
        raise ShapeError(f"a gate of {shape_text(gate.shape)} does not fit {shape_text(value.shape)}.")
    return gates.swiglu(call.builder, gate, value, call.attributes.number("alpha", 1.0))
