"""Attention and rotary positions of the standard."""

from __future__ import annotations

from nncost.dims import Dim, exact_divide, is_symbolic, same, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.broadcasting import check_broadcast
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.attention_forms import AttentionForm, Stages, formed_attention
from nncost.ir.library.casts import in_type
from nncost.ir.library.rotary import rotary
from nncost.ir.library.sequence import merge_heads, split_heads

MASK, PAST_KEY, PAST_VALUE, LENGTHS = 3, 4, 5, 6
"""Positions of the operands behind Q, K and V."""


@lowers("Attention", since=23)
def _attention(call: Call) -> Lowered:
    """Y, the joined keys and values of a cache, and the scores at one of four stages."""
    b = call.builder
    query, key, value = (_with_heads(call, n) for n in range(3))
    if call.has(PAST_KEY) != call.has(PAST_VALUE):
        raise SourceError("past keys and past values go together.")
    past: Dim = 0
    if call.has(PAST_KEY):
        past_key, past_value = call.constant(PAST_KEY), call.constant(PAST_VALUE)
        past = past_key.shape[2]
        key, value = b.concat([past_key, key], 2), b.concat([past_value, value], 2)
    biases, mask = masks(call, MASK, query, key.shape[2])
    lengths = call.constant(LENGTHS) if call.has(LENGTHS) else None
    form = _form(call, past)
    ends = lengths is not None and not call.has(PAST_KEY)
    if ends and form.is_bounded:
        call.note("Which products a mask of valid lengths hides is not known before a run; none count as masked.")
    stages = formed_attention(b, query, key, value, form, biases=biases, mask=mask, lengths=lengths, ends=ends)
    y = merge_heads(b, stages.output) if len(call.value(0).shape) == 3 else stages.output
    return y, key, value, _stage(call, stages)


def _with_heads(call: Call, position: int) -> Tensor:
    """An operand as (B, heads, T, width)."""
    x = call.ranked(position, 3, 4)
    if x.rank == 4:
        return x
    name = "kv_num_heads" if position else "q_num_heads"
    heads = call.attributes.integer(name, 0)
    if heads < 1 or (not is_symbolic(x.shape[2]) and x.shape[2] % heads):
        raise ShapeError(f"{heads} heads, the attribute {name!r}, do not divide {x.shape[2]} features.")
    return split_heads(call.builder, x, heads)


def _form(call: Call, past: Dim) -> AttentionForm:
    a = call.attributes
    left, right = a.integer("left_window_size", -1), a.integer("right_window_size", -1)
    if a.flag("is_causal", False):
        right = 0
    return AttentionForm(
        scale=a.number("scale", 0.0) if "scale" in a else None,
        softcap=max(a.number("softcap", 0.0), 0.0),
        precision=precision(call) or "",
        left=left,
        right=right,
        offset=past,
    )


def precision(call: Call) -> str | None:
    """The type of the softmax, if the file names one."""
    if "softmax_precision" not in call.attributes:
        return None
    dtype = call.walk.types.coded(call.attributes.integer("softmax_precision", 1))
    if dtype is None or "float" not in dtype:
        raise SourceError("the attribute 'softmax_precision' is no type of floating-point numbers.")
    return dtype


def masks(call: Call, position: int, query: Tensor, source: Dim) -> tuple[list[Tensor], Tensor | None]:
    """A mask as numbers that are added, or as truth values; keys beyond its end are hidden."""
    if not call.has(position):
        return [], None
    mask, b = call.constant(position), call.builder
    missing = source - mask.shape[-1]
    if not is_symbolic(missing) and missing > 0:
        none = (0,) * (mask.rank - 1)
        hidden = 0.0 if mask.dtype == "bool" else float("-inf")
        mask = b.emit(ops.Pad((*none, 0), (*none, missing), hidden), mask)
    check_broadcast(mask.shape, (*query.shape[:3], source))
    return ([], mask) if mask.dtype == "bool" else ([mask], None)


def _stage(call: Call, stages: Stages) -> Tensor:
    """The scores that the fourth output asks for."""
    every = (stages.raw, stages.capped, stages.masked, stages.probabilities)
    mode = call.attributes.integer("qk_matmul_output_mode", 0)
    if not 0 <= mode < len(every):
        raise SourceError(f"the attribute 'qk_matmul_output_mode' is 0 to 3, received {mode}.")
    return every[mode]


# ------------------------------------------------------------------- rotary positions
@lowers("RotaryEmbedding", since=23)
def _rotary_embedding(call: Call) -> Tensor:
    """X as (B, H, T, E), or (B, T, H·E) with the number of heads."""
    x, width = call.ranked(0, 3, 4), call.attributes.integer("rotary_embedding_dim", 0)
    positions = call.tensor(3) if call.has(3) else None
    tables = call.constant(1), call.constant(2)
    heads = call.attributes.integer("num_heads", 0)
    return turned(
        call.builder, x, heads, tables, positions, width, interleaved=call.attributes.flag("interleaved", False)
    )


def turned(
    b: Builder, x: Tensor, heads: int, tables: tuple[Tensor, Tensor], positions: Tensor | None, width: int,
    *, interleaved: bool,
) -> Tensor:  # fmt: skip
    """``x`` turned by rows of two tables, which ``positions`` (B, T) choose, or one for each position of each example."""
    if x.rank == 3 and heads < 1:
        raise SourceError("the attribute 'num_heads' is missing.")
    apart = x if x.rank == 4 else split_heads(b, x, heads)
    rows = [table if positions is None else b.emit(ops.Gather(0), table, positions) for table in tables]
    batch, _, length, size = apart.shape
    half = exact_divide(width or size, 2)
    if any(row.rank != 3 or not same(row.shape[-1], half) for row in rows):
        raise ShapeError(f"a table of rotary positions of {shape_text(rows[0].shape)} does not fit {half} pairs.")
    cosine, sine = (b.broadcast(in_type(b, row, x.dtype), (batch, length, half)) for row in rows)
    y = rotary(b, apart, cosine, sine, interleaved=interleaved)
    return y if x.rank == 4 else merge_heads(b, y)
