"""Attention with shared keys and values, a cache and rotary positions inside, as generators of text export it."""

from __future__ import annotations

from nncost.dims import Dim, exact_divide, same, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.attention import turned
from nncost.frontends.onnx.lowerings.microsoft import DOMAIN
from nncost.frontends.onnx.lowerings.microsoft_attention import rows_from
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.graph import Tensor
from nncost.ir.library import norm
from nncost.ir.library.attention_forms import AttentionForm, Stages, formed_attention
from nncost.ir.library.kv_cache import appended
from nncost.ir.library.sequence import merge_heads, split_heads

PAST_KEY, PAST_VALUE, LENGTHS, TOTAL, COSINE, SINE, POSITIONS, BIAS, SINK = range(3, 12)
SCALES, NORMS = (12, 13), (14, 15)
"""Positions of the operands behind Q, K and V."""
QK_EPSILON = 1e-6


@lowers("GroupQueryAttention", domain=DOMAIN)
def _group_query_attention(call: Call) -> Lowered:
    """Queries (B, T, H·E), keys and values (B, T, G·E), or all in one; the cache is (B, G, positions, E)."""
    _refuse_other_forms(call)
    b, a = call.builder, call.attributes
    query, key, value = _operands(call)
    used = _used(call, query.shape[2])
    query, key = _normed(call, 0, query), _normed(call, 1, key)
    if a.flag("do_rotary", False):
        query, key = _turned(call, query, used), _turned(call, key, used)
    present_key, present_value = key, value
    if call.has(PAST_KEY) and not same(used, 0):
        key, present_key = appended(b, call.constant(PAST_KEY), key, used)
        value, present_value = appended(b, call.constant(PAST_VALUE), value, used)
    elif call.has(PAST_KEY):
        _, present_key = appended(b, call.constant(PAST_KEY), key, 0)
        _, present_value = appended(b, call.constant(PAST_VALUE), value, 0)
    causal, window = a.flag("causal", True), a.integer("local_window_size", -1)
    form = AttentionForm(
        scale=a.number("scale", 0.0) or None, split=False, softcap=a.number("softcap", 0.0),
        left=window - 1 if causal and window > 0 else -1, right=0 if causal else -1, offset=used,
    )  # fmt: skip
    biases = [call.constant(BIAS)] if call.has(BIAS) else []
    stages = formed_attention(b, query, key, value, form, biases=biases, finite=True, sink=_sink(call))
    return merge_heads(b, stages.output), present_key, present_value, _scores(call, stages)


def _sink(call: Call) -> Tensor | None:
    """A learned score of each head, or zero, that takes a share of each softmax."""
    if call.has(SINK):
        return call.ranked(SINK, 1, 1, "other")
    return call.builder.constant(0.0) if call.attributes.flag("smooth_softmax", False) else None


def _scores(call: Call, stages: Stages) -> Tensor | None:
    return {1: stages.masked, 2: stages.probabilities}.get(call.attributes.integer("qk_output", 0))


def _refuse_other_forms(call: Call) -> None:
    a = call.attributes
    if any(map(call.has, SCALES)) or any(a.text(f"{letter}_quant_type", "NONE") != "NONE" for letter in "kv"):
        raise Unlowered("a cache of short integers")
    if a.flag("sliding_window_cache", False):
        raise Unlowered("a cache that slides")


def _operands(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    b, a = call.builder, call.attributes
    heads, groups = a.integer("num_heads", 0), a.integer("kv_num_heads", 0)
    if heads < 1 or groups < 1 or heads % groups:
        raise SourceError(f"{heads} heads of queries are no multiple of {groups} heads of keys.")
    query = call.ranked(0, 3, 3)
    parts: tuple[Tensor, ...]
    if call.has(1) and call.has(2):
        parts = (query, call.ranked(1, 3, 3), call.ranked(2, 3, 3))
    else:
        width = exact_divide(query.shape[2], heads + 2 * groups)
        parts = b.split(query, (heads * width, groups * width, groups * width), 2)
    query, key, value = (split_heads(b, x, n) for x, n in zip(parts, (heads, groups, groups), strict=True))
    return query, key, value


def _used(call: Call, length: Dim) -> Dim:
    """How many positions of the cache are valid. What is not known before a run is taken to be all of them."""
    past: Dim = call.value(PAST_KEY).shape[2] if call.has(PAST_KEY) else 0
    if not call.has(PAST_KEY):
        return 0
    try:
        totals = {last + 1 for last in call.integers(LENGTHS)}
    except Unlowered:
        call.note("The cache of attention is taken to be full before the step.")
        return past
    if len(totals) != 1:
        raise Unlowered("sequences of several lengths in one cache")
    used: Dim = totals.pop() - length
    if isinstance(used, int) and used < 0:
        raise ShapeError(f"{used + length} valid positions are fewer than the {length} of this step.")
    return used


def _normed(call: Call, which: int, x: Tensor) -> Tensor:
    """The RMS norm of each head, if there is one."""
    if not call.has(NORMS[which]):
        return x
    scale = call.ranked(NORMS[which], 1, 1, "weight")
    if not same(scale.shape[0], x.shape[3]):
        raise ShapeError(f"a scale of {shape_text(scale.shape)} does not fit heads of {x.shape[3]} features.")
    return norm.rms_norm(call.builder, x, scale, epsilon=call.attributes.number("qk_norm_epsilon", QK_EPSILON))


def _turned(call: Call, x: Tensor, used: Dim) -> Tensor:
    """Rotary positions: those that the file gives, or the next ones of the cache."""
    b, interleaved = call.builder, call.attributes.flag("rotary_interleaved", False)
    tables = call.constant(COSINE), call.constant(SINE)
    width = 2 * tables[0].shape[1]
    if call.has(POSITIONS):
        return turned(b, x, 0, tables, call.constant(POSITIONS), width, interleaved=interleaved)
    rows = rows_from(b, tables[0], used, x.shape[2]), rows_from(b, tables[1], used, x.shape[2])
    return turned(b, x, 0, rows, None, width, interleaved=interleaved)
