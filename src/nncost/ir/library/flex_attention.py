"""Attention whose scores and probabilities are computed anew by functions of the caller's."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import exact_divide
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.casts import computing_in, in_type
from nncost.ir.library.guarded_softmax import guarded_softmax
from nncost.ir.library.sequence import inverse_root

Modify = Callable[[Tensor], Tensor]
"""Scores (B, H, T, S) to scores, or probabilities to probabilities."""


def flex_attention(
    b: Builder, query: Tensor, key: Tensor, value: Tensor,
    *, scale: float | None, precision: str, of_scores: Modify | None = None, of_probabilities: Modify | None = None,
) -> Tensor:  # fmt: skip
    """``query`` (B, H, T, E), ``key`` (B, G, S, E), ``value`` (B, G, S, V): (B, H, T, V); scores in the type ``precision``.

    Queries and keys take 1 mul for each number, by √scale; then the products, what the functions compute, and the softmax.
    """
    batch, heads, length, width = query.shape
    groups, source = key.shape[1:3]
    five = (batch, groups, exact_divide(heads, groups), length, source)
    with b.region(Operation("flex_attention"), query, key, value) as region:
        root = b.map("sqrt", inverse_root(b, width) if scale is None else b.constant(scale))
        grouped = b.reshape(b.map("mul", query, root), (*five[:4], width))
        product = b.contract("bghte,bgse->bghts", grouped, b.map("mul", key, root))
        scores = in_type(b, b.reshape(product, (batch, heads, length, source)), precision)
        with computing_in(b, precision):
            scores = scores if of_scores is None else of_scores(scores)
            probabilities = guarded_softmax(b, scores, guarded=False)
            probabilities = probabilities if of_probabilities is None else of_probabilities(probabilities)
            wide = in_type(b, value, precision)
            y = b.contract("bghts,bgsv->bghtv", b.reshape(probabilities, five), wide)
        region.returns(in_type(b, b.reshape(y, (batch, heads, length, value.shape[3])), value.dtype))
    return region.outputs[0]
