"""Attention in the forms of ONNX: a scale of both factors, soft caps, windows, caches, valid lengths, stages as outputs."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, Shape, exact_divide, is_symbolic, same
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.casts import computing_in, in_type
from nncost.ir.library.guarded_softmax import guarded_softmax
from nncost.ir.library.sequence import inverse_root
from nncost.records import record


@record
class AttentionForm:
    """What happens to scores.

    ``scale`` is 1/√E if none is given; its root multiplies queries and keys if it is ``split``, else it multiplies the
    scores. ``softcap`` c makes them c·tanh(s/c). ``precision`` is the type of the softmax. Query i stands at position
    i + ``offset`` and sees ``left`` keys before it and ``right`` ones behind it; −1 sees all, and causality none behind.
    """

    scale: float | None = None
    split: bool = True
    softcap: float = 0.0
    precision: str = ""
    left: int = -1
    right: int = -1
    offset: Dim = 0

    @property
    def is_bounded(self) -> bool:
        """Whether a query does not see every key."""
        return self.left >= 0 or self.right >= 0


@record
class Stages:
    """The output (B, H, T, V) and the scores (B, H, T, S): raw, capped, masked, and as probabilities."""

    output: Tensor
    raw: Tensor
    capped: Tensor
    masked: Tensor
    probabilities: Tensor


def formed_attention(
    b: Builder, query: Tensor, key: Tensor, value: Tensor, form: AttentionForm,
    *, biases: Sequence[Tensor] = (), mask: Tensor | None = None, lengths: Tensor | None = None, ends: bool = False,
    finite: bool = False, sink: Tensor | None = None,
) -> Stages:  # fmt: skip
    """``query`` (B, H, T, E), ``key`` (B, G, S, E), ``value`` (B, G, S, V); heads of keys and values are shared.

    For each score: E mul in the contraction, 1 add for each of the ``biases``, 1 cmp for a Boolean ``mask``, the positions and the
    valid ``lengths`` (B,) of keys together; 1 div, 1 mul and 1 tanh for a soft cap, and the softmax. A split scale takes
    1 mul for each number of queries and keys, a plain one for each score. Where a row may see no key, its zeros take 3
    cmp; biases that are ``finite`` hide none. A ``sink`` is one score more for each head (H,), or for all, which has no
    value: 1 cmp, 2 add and 1 exp for each row. With ``ends`` the last query stands at the last valid key. Masks broadcast to (B, H, T, S).
    """
    batch, heads, length, width = query.shape
    groups, source = key.shape[1:3]
    given = [tensor for tensor in (mask, lengths) if tensor is not None]
    guarded = bool(given) or (bool(biases) and not finite) or _may_see_none(form, length, source)
    hidden = hidden_scores(length, source, form) if form.is_bounded and not ends else 0
    products = batch * heads * hidden * (width + value.shape[3])
    with b.region(
        Operation("attention"), query, key, value, *biases, *given, *([] if sink is None else [sink]), masked=products
    ) as region:
        five = (batch, groups, exact_divide(heads, groups), length, source)
        raw = capped = _scores(b, b.reshape(query, (*five[:4], width)), key, form)
        if form.softcap:
            capped = b.map("mul", b.map("tanh", b.map("div", raw, form.softcap)), form.softcap)
        allowed = _allowed(b, five, form, mask, lengths, ends=ends)
        masked = capped
        for bias in biases:
            masked = b.map("add", masked, _over(b, in_type(b, bias, raw.dtype), five))
        if allowed is not None:
            masked = b.map("select", _over(b, allowed, five), masked, float("-inf"))
        wide = in_type(b, masked, form.precision or raw.dtype)
        with computing_in(b, wide.dtype):
            extra = None if sink is None else _of_rows(b, in_type(b, sink, wide.dtype), five)
            softmax = guarded_softmax(b, wide, guarded=guarded, sink=extra)
        probabilities = in_type(b, softmax, query.dtype)
        y = b.contract("bghts,bgsv->bghtv", probabilities, value)
        four = (batch, heads, length, source)
        scores = (b.reshape(each, four) for each in (raw, capped, masked, probabilities))
        region.returns(b.reshape(y, (*four[:3], value.shape[3])), *scores)
    return Stages(*region.outputs)


def _scores(b: Builder, query: Tensor, key: Tensor, form: AttentionForm) -> Tensor:
    scale = inverse_root(b, query.shape[-1]) if form.scale is None else b.constant(form.scale)
    if not form.split:
        return b.map("mul", b.contract("bghte,bgse->bghts", query, key), scale)
    root = b.map("sqrt", scale)
    return b.contract("bghte,bgse->bghts", b.map("mul", query, root), b.map("mul", key, root))


def _over(b: Builder, mask: Tensor, five: Shape) -> Tensor:
    """A mask that broadcasts to (B, H, T, S), over the scores (B, G, H/G, T, S)."""
    groups, shared = five[1:3]
    full = (1,) * (4 - mask.rank) + mask.shape
    heads = (groups, shared) if full[1] != 1 else (1, 1)
    return b.broadcast(b.reshape(mask, (full[0], *heads, *full[2:])), five)


def _of_rows(b: Builder, sink: Tensor, five: Shape) -> Tensor:
    """One number of each head, or of all of them, for each row of scores."""
    heads = (five[1], five[2]) if sink.shape else (1, 1)
    return b.broadcast(b.reshape(sink, (1, *heads, 1, 1)), (*five[:4], 1))


# ------------------------------------------------------------------- what a query sees
def _allowed(
    b: Builder, five: Shape, form: AttentionForm, mask: Tensor | None, lengths: Tensor | None, *, ends: bool
) -> Tensor | None:
    """Which scores count, as one mask of four axes; None if all do."""
    batch, length, source = five[0], five[3], five[4]
    parts = [] if mask is None else [b.reshape(mask, (1,) * (4 - mask.rank) + mask.shape)]
    dtype = "int64" if lengths is None else lengths.dtype
    column = b.emit(ops.Constant("iota", (1, 1, 1, source), dtype))
    each = None if lengths is None else b.reshape(lengths, (batch, 1, 1, 1))
    if form.is_bounded:
        row = b.emit(ops.Constant("iota", (1, 1, length, 1), dtype))
        shift = b.full((), form.offset, dtype)
        if ends and each is not None:
            shift = b.map("sub", each, b.full((), length, dtype))
        parts += _within(b, b.map("add", row, shift), column, form)
    if each is not None:
        parts.append(b.map("greater", each, column))
    result = None
    for part in parts:
        result = part if result is None else b.map("and", result, part)
    return result


def _within(b: Builder, position: Tensor, column: Tensor, form: AttentionForm) -> list[Tensor]:
    """The keys that are not too far behind or before a query."""

    def moved(by: int) -> Tensor:
        return position if by == 0 else b.map("add", position, b.full((), by, position.dtype))

    found = [b.map("greater_equal", moved(form.right), column)] if form.right >= 0 else []
    return [*found, *([b.map("greater_equal", column, moved(-form.left))] if form.left >= 0 else [])]


def _may_see_none(form: AttentionForm, length: Dim, source: Dim) -> bool:
    """Whether positions alone may hide every key from a query: from one before the first, or too far behind the last."""
    if is_symbolic(form.offset) or is_symbolic(length) or is_symbolic(source):
        return form.left >= 0 and not same(form.offset + length, source)
    return form.offset < 0 or (form.left >= 0 and form.offset + length - 1 - form.left > source - 1)


def hidden_scores(rows: Dim, columns: Dim, form: AttentionForm) -> Dim:
    """How many scores of a head the positions hide; of symbolic sizes those of a triangle, T·(T−1)/2."""
    offset = form.offset
    if is_symbolic(rows) or is_symbolic(columns) or is_symbolic(offset):
        return exact_divide(rows * (rows - 1), 2) if form.right == 0 else 0
    seen = 0
    for row in range(rows):
        first = max(0, row + offset - form.left) if form.left >= 0 else 0
        last = min(columns - 1, row + offset + form.right) if form.right >= 0 else columns - 1
        seen += max(0, last - first + 1)
    return rows * columns - seen
