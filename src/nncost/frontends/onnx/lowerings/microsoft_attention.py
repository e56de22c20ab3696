"""Attention of onnxruntime's own domain: with projections inside, with packed operands, with rotary positions and caches."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide, product, same, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.attention import turned
from nncost.frontends.onnx.lowerings.microsoft import DOMAIN
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.attention_forms import AttentionForm, formed_attention
from nncost.ir.library.dense import dense
from nncost.ir.library.sequence import merge_heads, split_heads

FILTER = -10000.0
"""What onnxruntime adds to scores that a mask hides, unless the file says otherwise."""


def _heads(call: Call, name: str = "num_heads") -> int:
    heads = call.attributes.integer(name, 0)
    if heads < 1:
        raise SourceError(f"the attribute {name!r} must be at least 1, received {heads}.")
    return heads


def _scale(call: Call) -> float | None:
    """The factor of the scores; zero and none mean 1/√E."""
    return call.attributes.number("scale", 0.0) or None


def padding_bias(call: Call, position: int, batch: Dim, length: Dim, source: Dim) -> list[Tensor]:
    """What a padding mask adds to scores, as (B, 1, T or 1, S): zero, or the filter where it hides a key.

    It is one of lengths (B,), of ends and beginnings (2·B,), or of zeros and ones (B, S) or (B, T, S).
    """
    if not call.has(position):
        return []
    b, mask = call.builder, call.constant(position)
    column = b.emit(ops.Constant("iota", (1, 1, 1, source), mask.dtype))
    if mask.rank == 1 and same(mask.shape[0], batch):
        seen = b.map("greater", b.reshape(mask, (batch, 1, 1, 1)), column)
    elif mask.rank == 1 and same(mask.shape[0], 2 * batch):
        end, start = (b.reshape(part, (batch, 1, 1, 1)) for part in b.chunk(mask, 2, 0))
        seen = b.map("and", b.map("greater", end, column), b.map("greater_equal", column, start))
    elif mask.rank in (2, 3) and same(mask.shape[-1], source):
        rows = mask.shape[1:] if mask.rank == 3 else (1, source)
        seen = b.map("greater", b.reshape(mask, (mask.shape[0], 1, *rows)), b.full((), 0, mask.dtype))
    else:
        raise Unlowered(f"a padding mask of {shape_text(mask.shape)}")
    return [b.map("select", seen, 0.0, call.attributes.number("mask_filter_value", FILTER))]


# ------------------------------------------------------------------- projections inside
@lowers("Attention", domain=DOMAIN)
def _attention(call: Call) -> Lowered:
    """Input (B, T, I) through weights (I, 2·H + V), split into heads; the cache is (2, B, heads, past, width)."""
    b, a, heads = call.builder, call.attributes, _heads(call)
    if a.flag("do_rotary", False) or a.flag("past_present_share_buffer", False):
        raise Unlowered("rotary positions inside, or a cache that is written in place")
    weight = call.walk.tensors.of(call.transposed(call.value(1), (1, 0)), "weight")
    projected = dense(b, call.ranked(0, 3, 3), weight, call.optional(2, "bias"))
    width = projected.shape[2]
    sizes: Sequence[Dim] = a.integers("qkv_hidden_sizes") or (exact_divide(width, 3),) * 3
    if len(sizes) != 3 or not same(sum(sizes), width):
        raise ShapeError(f"sizes {list(sizes)} of queries, keys and values do not make {width}.")
    query, key, value = (split_heads(b, part, heads) for part in b.split(projected, tuple(sizes), 2))
    past: Dim = 0
    if call.has(4):
        cache = call.ranked(4, 5, 5)
        past = cache.shape[3]
        old_key, old_value = (b.reshape(part, cache.shape[1:]) for part in b.chunk(cache, 2, 0))
        key, value = b.concat([old_key, key], 2), b.concat([old_value, value], 2)
    form = AttentionForm(
        scale=_scale(call), split=False, right=0 if a.flag("unidirectional", False) else -1, offset=past
    )
    biases = padding_bias(call, 3, query.shape[0], query.shape[2], key.shape[2])
    biases += [call.constant(5)] if call.has(5) else []
    stages = formed_attention(b, query, key, value, form, biases=biases, finite=True)
    present = None
    if call.wants(1):
        present = b.concat([b.unsqueeze(key, 0), b.unsqueeze(value, 0)], 0)
    return merge_heads(b, stages.output), present


# ------------------------------------------------------------------- heads apart or packed
@lowers("MultiHeadAttention", domain=DOMAIN)
def _multi_head(call: Call) -> Lowered:
    """Queries (B, T, H) with keys and values of their own, packed, or (B, heads, S, E) from a cache of another sequence."""
    b, heads = call.builder, _heads(call)
    if call.has(8) or call.has(9):
        raise Unlowered("a cache that is written in place, or one of several beams")
    query, key, value = _operands(call, heads)
    past: Dim = 0
    if call.has(6) and call.has(7):
        past_key, past_value = call.constant(6), call.constant(7)
        past = past_key.shape[2]
        key, value = b.concat([past_key, key], 2), b.concat([past_value, value], 2)
    causal = call.attributes.flag("unidirectional", False)
    form = AttentionForm(scale=_scale(call), split=False, right=0 if causal else -1, offset=past)
    biases = padding_bias(call, 4, query.shape[0], query.shape[2], key.shape[2])
    biases += [call.constant(5)] if call.has(5) else []
    stages = formed_attention(b, query, key, value, form, biases=biases, finite=True)
    return merge_heads(b, stages.output), key, value, stages.raw


def _operands(call: Call, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as (B, heads, T, E), with the biases of their projections."""
    b, first = call.builder, call.ranked(0, 3, 5)
    if first.rank == 5:
        parts = _unpacked(b, first, 3)
    elif call.has(1) and len(call.value(1).shape) == 5:
        parts = [first, *_unpacked(b, call.tensor(1), 2)]
    else:
        parts = [first, call.ranked(1, 3, 4), call.ranked(2, 3, 4)]
    if call.has(3):
        parts = _biased(b, parts, call.ranked(3, 1, 1, "bias"))
    query, key, value = (part if part.rank == 4 else split_heads(b, part, heads) for part in parts)
    return query, key, value


def _unpacked(b: Builder, x: Tensor, count: int) -> list[Tensor]:
    """(B, T, heads, count, E) as ``count`` tensors (B, T, heads·E)."""
    shape = (*x.shape[:2], product((x.shape[2], x.shape[4])))
    return [b.reshape(part, shape) for part in b.chunk(x, count, 3)]


def _biased(b: Builder, parts: Sequence[Tensor], bias: Tensor) -> list[Tensor]:
    """Each part with its share of the bias; keys that come from a cache have theirs already."""
    widths = [part.shape[2] if part.rank == 3 else part.shape[1] * part.shape[3] for part in parts]
    shares = b.split(bias, tuple(widths), 0)
    return [b.map("add", part, share) if part.rank == 3 else part for part, share in zip(parts, shares, strict=True)]


# ------------------------------------------------------------------- rotary positions
@lowers("RotaryEmbedding", domain=DOMAIN)
def _rotary_embedding(call: Call) -> Tensor:
    """Positions (B, T), or the first of them."""
    b, x, a = call.builder, call.ranked(0, 3, 4), call.attributes
    if a.flag("is_packed_batching", False) or a.number("scale", 1.0) != 1.0:
        raise Unlowered("packed sequences, or a scale")
    cosine, sine = call.constant(2), call.constant(3)
    width = a.integer("rotary_embedding_dim", 0)
    heads = a.integer("num_heads", 0)
    if x.rank == 3 and not heads:
        heads = exact_divide(x.shape[2], 2 * cosine.shape[1])
    positions = call.constant(1)
    if positions.rank == 1:
        batch, length = x.shape[0], x.shape[1 if x.rank == 3 else 2]
        step = b.emit(ops.Constant("iota", (1, length), positions.dtype))
        positions = b.broadcast(b.map("add", step, b.reshape(positions, ())), (batch, length))
    return turned(b, x, heads, (cosine, sine), positions, width, interleaved=a.flag("interleaved", False))


def rows_from(b: Builder, table: Tensor, first: Dim, count: Dim) -> Tensor:
    """``count`` rows of a table from ``first`` on: (1, count, width)."""
    return b.unsqueeze(b.pad(table, 0, -first, first + count - table.shape[0]), 0)
