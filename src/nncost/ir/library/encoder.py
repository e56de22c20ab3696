"""Multi-head attention with its projections, and the encoder layer of a transformer (Vaswani et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.dims import exact_divide
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import norm
from nncost.ir.library.activations import activation, softmax
from nncost.ir.library.dense import dense
from nncost.ir.library.sequence import attention, inverse_root, merge_heads, split_heads

Weights = Mapping[str, Tensor]


def multi_head_attention(
    b: Builder, x: Sequence[Tensor], weights: Weights, heads: int, *, masked: bool = False
) -> Tensor:
    """``x`` are query, key and value (B, T, D), ``weights`` qkv (3D, D) and proj (D, D) with their biases: (B, T, D).

    Three times the same tensor is projected at once. A mask of 0 and −∞ is added to the scores: 1 add.
    """
    weight, bias = weights["qkv_weight"], weights["qkv_bias"]
    if x[0] is x[1] and x[1] is x[2]:
        query, key, value = b.chunk(dense(b, x[0], weight, bias), 3, -1)
    else:
        query, key, value = (
            dense(b, *third) for third in zip(x, b.chunk(weight, 3, 0), b.chunk(bias, 3, 0), strict=True)
        )
    mask = None
    if masked:
        shape = (query.shape[0], heads, 1, query.shape[1], key.shape[1])
        mask = b.full(shape, 0.0, query.dtype)
    core = attention(b, *(split_heads(b, part, heads) for part in (query, key, value)), mask=mask)
    return dense(b, merge_heads(b, core), weights["proj_weight"], weights["proj_bias"])


def encoder_layer(
    b: Builder, x: Tensor, weights: Weights, heads: int, *, function: str, norm_first: bool, epsilon: float,
    masked: bool = False,
) -> Tensor:  # fmt: skip
    """Attention and a dense pair, each with its sum and its norm, before it (``norm_first``) or after it."""

    def normed(x: Tensor, number: int) -> Tensor:
        scale, shift = weights[f"norm_weight_{number}"], weights[f"norm_bias_{number}"]
        return norm.layer_norm(b, x, scale, shift, epsilon=epsilon)

    def fed(x: Tensor) -> Tensor:
        inner = activation(b, function, dense(b, x, weights["ffn_weight_1"], weights["ffn_bias_1"]))
        return dense(b, inner, weights["ffn_weight_2"], weights["ffn_bias_2"])

    entering = normed(x, 1) if norm_first else x
    x = b.map("add", x, multi_head_attention(b, [entering] * 3, weights, heads, masked=masked))
    if norm_first:
        return b.map("add", x, fed(normed(x, 2)))
    x = normed(x, 1)
    return normed(b.map("add", x, fed(x)), 2)


def scaled_heads(b: Builder, x: Tensor, bias: Tensor, heads: int) -> tuple[Tensor, ...]:
    """``x`` (B, T, 3D) with its bias added gives query, key and value (B, H, T, D/H), the queries times 1/√(D/H)."""
    query, key, value = b.chunk(b.map("add", x, bias), 3, 2)
    scaled = b.map("mul", query, inverse_root(b, exact_divide(query.shape[-1], heads)))
    return tuple(split_heads(b, part, heads) for part in (scaled, key, value))


def masked_softmax(b: Builder, x: Tensor, mask: Tensor, axis: int = -1) -> Tensor:
    """Softmax of scores that a Boolean mask replaces by −∞ (1 cmp)."""
    return softmax(b, b.map("select", mask, float("-inf"), x), axis)
