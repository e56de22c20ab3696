"""Embedding, dropout and attention."""

from __future__ import annotations

from nncost.dims import Dim, exact_divide, is_symbolic
from nncost.ir import ops
from nncost.ir.builder import Builder, Operand
from nncost.ir.graph import Tensor
from nncost.ir.layers import Attention, Dropout, Embedding, Operation
from nncost.ir.library.activations import softmax
from nncost.ir.library.casts import in_type


def embedding(b: Builder, indices: Tensor, table: Tensor) -> Tensor:
    """``(…) → (…, D)``: rows of ``table`` (V, D). No arithmetic; its gradient adds one row per index."""
    with b.region(Embedding(), table, indices) as region:
        y = b.emit(ops.Gather(0), table, indices)
        region.returns(y)
    return y


def dropout(b: Builder, x: Tensor, probability: float) -> Tensor:
    """In training 1 random, 1 cmp and 2 mul per element, backward 2 mul; nothing in inference."""
    return training_dropout(b, x, probability) if b.training else x


def training_dropout(b: Builder, x: Tensor, probability: float, seed: int | None = None) -> Tensor:
    """Dropout as in training; a ``seed`` decides what is dropped."""
    with b.region(Dropout(probability), x) as region:
        y, _ = masked_dropout(b, x, probability, seed)
        region.returns(y)
    return y


def dropout_and_mask(b: Builder, x: Tensor, probability: Operand, seed: int | None = None) -> tuple[Tensor, Tensor]:
    """Dropout as in training, and the mask of what is kept; a probability that is a tensor takes 1 add and 1 div more."""
    given = [probability] if isinstance(probability, Tensor) else []
    with b.region(Operation("dropout"), x, *given) as region:
        region.returns(*masked_dropout(b, x, probability, seed))
    return region.outputs[0], region.outputs[1]


def masked_dropout(b: Builder, x: Tensor, probability: Operand, seed: int | None = None) -> tuple[Tensor, Tensor]:
    """``x`` with random elements set to zero and the rest scaled, and the mask of those that are kept."""
    kept = b.map("greater_equal", b.emit(ops.Random(x.shape, seed)), probability)
    scale: Operand
    if isinstance(probability, Tensor):
        scale = in_type(b, b.map("div", 1.0, b.map("sub", 1.0, probability)), x.dtype)
    else:
        scale = 1 / (1 - probability) if probability < 1 else 0.0
    return b.map("mul", b.map("mul", x, b.emit(ops.Cast(x.dtype), kept)), scale), kept


def attention(
    b: Builder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    causal: bool = False,
    mask: Tensor | None = None,
    scale: float | None = None,
    from_start: bool = False,
) -> Tensor:
    """Scaled dot-product attention: ``query`` (B, H, T, E), ``key`` (B, G, S, E), ``value`` (B, G, S, V).

    H must be a multiple of the G key/value heads, which are shared without being copied. For each
    score: E mul in the contraction, 1 mul for the scale, 1 add for a mask tensor (T, S), 1 cmp if
    causal or if the mask is Boolean, and the softmax. A causal mask lets the last query see every
    key or, ``from_start``, the first query the first key only (PyTorch's ``is_causal``); the products
    for scores it hides are counted, and counted as masked too.
    """
    batch, heads, length, width = query.shape
    groups, source = key.shape[1], key.shape[2]
    shared = exact_divide(heads, groups)
    given = (query, key, value) if mask is None else (query, key, value, mask)
    hidden = hidden_scores(length, source, from_start=from_start) if causal else 0
    masked = batch * heads * hidden * (width + value.shape[3])
    with b.region(Attention(causal, from_start, scale), *given, masked=masked) as region:
        grouped = b.reshape(query, (batch, groups, shared, length, width))
        scores = b.contract("bghte,bgse->bghts", grouped, key)
        scores = b.map("mul", scores, inverse_root(b, width) if scale is None else scale)
        if mask is not None and mask.dtype == "bool":
            scores = b.map("select", mask, scores, float("-inf"))
        elif mask is not None:
            scores = b.map("add", scores, mask)
        if causal:
            scores = b.map("select", _lower_triangle(b, length, source, from_start=from_start), scores, float("-inf"))
        y = b.contract("bghts,bgsv->bghtv", softmax(b, scores), value)
        region.returns(b.reshape(y, (batch, heads, length, value.shape[3])))
    return region.outputs[0]


def inverse_root(b: Builder, width: Dim) -> Tensor:
    """1/√width: a constant, hence free."""
    return b.map("div", 1.0, b.map("sqrt", b.size_constant([width])))


def hidden_scores(rows: Dim, columns: Dim, *, from_start: bool) -> Dim:
    """How many scores a causal mask hides: T·(T−1)/2 of T queries and as many keys."""
    if from_start and not (is_symbolic(rows) or is_symbolic(columns)):
        return sum(max(columns - row - 1, 0) for row in range(rows))
    return exact_divide(rows * (rows - 1), 2)


def _lower_triangle(b: Builder, rows: Dim, columns: Dim, *, from_start: bool) -> Tensor:
    """Which scores a causal model may see. Constant, hence free."""
    row = b.emit(ops.Constant("iota", (rows, 1), "int64"))
    column = b.emit(ops.Constant("iota", (1, columns), "int64"))
    shift = b.full((), 0 if from_start else columns - rows, "int64")
    last_seen = b.map("add", row, shift)
    return b.map("greater_equal", last_seen, column)


def split_heads(b: Builder, x: Tensor, heads: Dim) -> Tensor:
    """``(B, T, H·E) → (B, H, T, E)``."""
    batch, length, width = x.shape
    return b.transpose(b.reshape(x, (batch, length, heads, exact_divide(width, heads))), (0, 2, 1, 3))


def merge_heads(b: Builder, x: Tensor) -> Tensor:
    """``(B, H, T, E) → (B, T, H·E)``."""
    batch, heads, length, width = x.shape
    return b.reshape(b.transpose(x, (0, 2, 1, 3)), (batch, length, heads * width))
