"""Attention: projections, scores Q·Kᵀ and the weighted values P·V; a mask changes no product."""

# Capital letters are the sizes that the formulas of the field are written in.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.cases.case import Case, Function, random

N, L, S, E, HEADS, FF = 2, 5, 7, 12, 2, 20  # batch, queries, keys, width, heads, hidden of the feed-forward


def causal(length: int) -> Tensor:
    return nn.Transformer.generate_square_subsequent_mask(length)


class WithOptions(nn.Module):
    """A module whose forward takes fixed keywords."""

    def __init__(self, module: nn.Module, **options: Any) -> None:
        super().__init__()
        self.module, self.options = module, options

    def forward(self, *x: Tensor) -> Any:
        if len(x) == 1:
            x = (x[0], x[0], x[0])
        return self.module(*x, **self.options)


def multihead(
    name: str,
    note: str,
    *,
    inputs: Callable[[], tuple[Any, ...]] | None = None,
    queries: int = L,
    keys: int = L,
    extra_keys: int = 0,
    kdim: int = E,
    vdim: int = E,
    batch: int = N,
    bias: bool = True,
    frozen_view: bool = False,
    keywords: dict[str, Any] | None = None,
    **options: Any,
) -> Case:
    """Projections N·(L·E·E + S·kdim·E + S·vdim·E + L·E·E), scores and values N·L·(S + extra)·E each."""
    projections = batch * (queries * E * E + keys * kdim * E + keys * vdim * E + queries * E * E)
    core = batch * queries * (keys + extra_keys) * E
    arguments: dict[str, Any] = dict(bias=bias, **options)
    if (kdim, vdim) != (E, E):
        arguments |= dict(kdim=kdim, vdim=vdim)
    learned_keys = 2 * E if options.get("add_bias_kv") else 0
    weights = E * E + kdim * E + vdim * E + E * E
    biases = 4 * E if bias else 0

    def build() -> nn.Module:
        module = WithOptions(nn.MultiheadAttention(E, HEADS, **arguments), **(keywords or {}))
        return module.eval().requires_grad_(False) if frozen_view else module

    return Case(
        name=name,
        build=build,
        inputs=inputs or random((batch, queries, E) if options.get("batch_first") else (queries, batch, E)),
        parameters=weights + biases + learned_keys,
        weights=None if learned_keys else weights,
        biases=None if learned_keys else biases,
        forward_macs=projections + 2 * core,
        backward_macs=0 if frozen_view else projections + batch * queries * E * E + 4 * core,
        note=note
        + " Forward: projections N·(2·L·E² + S·kdim·E + S·vdim·E), scores and values N·L·S·E each (heads · E/heads = E)."
        + (
            " Nothing is trained: no gradient."
            if frozen_view
            else " Backward: weights as the projections, the output projection's input N·L·E², and dV, dP, dQ, dK N·L·S·E"
            " each; no gradient for the inputs of the first projections."
        ),
    )


class Heads(nn.Module):
    """Scaled dot-product attention behind learned projections without bias."""

    def __init__(self, q_heads: int, kv_heads: int, width: int, value_width: int, **options: Any) -> None:
        super().__init__()
        self.q = nn.Linear(E, q_heads * width, bias=False)
        self.k = nn.Linear(E, kv_heads * width, bias=False)
        self.v = nn.Linear(E, kv_heads * value_width, bias=False)
        self.q_heads, self.kv_heads, self.options = q_heads, kv_heads, options

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        q = self.q(x).unflatten(-1, (self.q_heads, -1)).transpose(-2, -3)
        k = self.k(memory).unflatten(-1, (self.kv_heads, -1)).transpose(-2, -3)
        v = self.v(memory).unflatten(-1, (self.kv_heads, -1)).transpose(-2, -3)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, **self.options)


def scaled_dot_product(
    name: str,
    note: str,
    *,
    queries: int = L,
    keys: int = L,
    q_heads: int = 4,
    kv_heads: int = 4,
    width: int = 6,
    value_width: int = 6,
    inputs: Callable[[], tuple[Any, ...]] | None = None,
    batch: int = N,
    **options: Any,
) -> Case:
    """Projections, then heads·L·S·d for the scores and heads·L·S·d_v for the values."""
    weights = E * (q_heads * width + kv_heads * width + kv_heads * value_width)
    projections = batch * E * (queries * q_heads * width + keys * kv_heads * (width + value_width))
    core = batch * q_heads * queries * keys * (width + value_width)
    return Case(
        name=name,
        build=lambda: Heads(q_heads, kv_heads, width, value_width, **options),
        inputs=inputs or random((batch, queries, E), (batch, keys, E)),
        parameters=weights,
        weights=weights,
        biases=0,
        forward_macs=projections + core,
        backward_macs=projections + 2 * core,
        note=note
        + " Core N·heads·L·S·(d + d_v); backward twice that (dV, dP, dQ, dK; recomputed scores are no gradient)"
        " and the weight gradients of the projections.",
    )


class HandWritten(nn.Module):
    """Attention with einsum and softmax, and a rotation of queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(E, 3 * E, bias=False), nn.Linear(E, E, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (HEADS, -1)) for t in self.qkv(x).chunk(3, dim=-1))
        angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None, None] / 10
        q, k = (t * angle.cos() + t.flip(-1) * angle.sin() for t in (q, k))
        scores = torch.einsum("nlhd,nshd->nhls", q, k) / (E // HEADS) ** 0.5
        scores = scores.masked_fill(causal(x.shape[1]).isinf(), float("-inf"))
        return self.out(torch.einsum("nhls,nshd->nlhd", scores.softmax(-1), v).flatten(-2))


class LinearAttention(nn.Module):
    """φ(Q)·(φ(K)ᵀ·V): no L×L scores."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(E, 3 * E, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        q, k = functional.elu(q) + 1, functional.elu(k) + 1
        return q @ (k.transpose(-1, -2) @ v)


# Layers of nn.Transformer, E wide, FF hidden. ``length`` queries, ``memory`` keys of the cross-attention.


def attention_forward(length: int, keys: int) -> int:
    """Four projections, scores and values."""
    return N * (2 * length * E * E + 2 * keys * E * E + 2 * length * keys * E)


def feed_forward(length: int) -> int:
    return N * length * 2 * E * FF


def encoder_forward(length: int) -> int:
    return attention_forward(length, length) + feed_forward(length)


def encoder_backward(length: int, *, input_needed: bool) -> int:
    """Weights; output projection's input; four core gradients; both feed-forward inputs; perhaps the first projections'."""
    weights = N * length * (4 * E * E + 2 * E * FF)
    core = N * (length * E * E + 4 * length * length * E)
    return weights + core + feed_forward(length) + (N * length * 3 * E * E if input_needed else 0)


def decoder_forward(length: int, memory: int) -> int:
    return attention_forward(length, length) + attention_forward(length, memory) + feed_forward(length)


def decoder_backward(length: int, memory: int, *, input_needed: bool, memory_needed: bool) -> int:
    """As the encoder's, with a cross-attention: its query's input gradient is always needed, the memory's perhaps."""
    self_attention = N * length * 4 * E * E + N * (length * E * E + 4 * length * length * E)
    self_inputs = N * length * 3 * E * E if input_needed else 0
    cross = attention_forward(length, memory) - N * 2 * length * memory * E  # the weights
    cross += N * (2 * length * E * E + 4 * length * memory * E)  # inputs of the output and query projections, core
    memory_inputs = N * memory * 2 * E * E if memory_needed else 0
    return self_attention + self_inputs + cross + memory_inputs + 2 * feed_forward(length)


ATTENTION_WEIGHTS, ATTENTION_BIASES = 4 * E * E, 4 * E
ENCODER_WEIGHTS, ENCODER_BIASES = 4 * E * E + 2 * E * FF + 2 * E, 4 * E + FF + E + 2 * E
DECODER_WEIGHTS, DECODER_BIASES = 8 * E * E + 2 * E * FF + 3 * E, 8 * E + FF + E + 3 * E
LAYER = dict(d_model=E, nhead=HEADS, dim_feedforward=FF, dropout=0.0, batch_first=True)


def encoder_layer(**options: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(**(LAYER | options))


def transformer(**options: Any) -> nn.Module:
    return nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **(LAYER | options))


class TinyGpt(nn.Module):
    """Embedding, learned positions, one pre-norm causal block, final norm, tied head."""

    def __init__(self, vocabulary: int = 30, block: int = 8) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, E)
        self.positions = nn.Parameter(torch.zeros(block, E))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(E), nn.LayerNorm(E), nn.LayerNorm(E)
        self.qkv, self.out = nn.Linear(E, 3 * E), nn.Linear(E, E)
        self.up, self.down = nn.Linear(E, FF), nn.Linear(FF, E)
        self.head = nn.Linear(E, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(-2))
        x = x + self.down(functional.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


VOCABULARY, BLOCK = 30, 8
GPT_DENSE = N * L * (4 * E * E + 2 * E * FF + E * VOCABULARY)
GPT_CORE = N * 2 * L * L * E

CASES: tuple[Case, ...] = (
    multihead("multihead_self", "Self-attention, weights returned."),
    multihead(
        "multihead_self_fused",
        "need_weights=False takes the fused kernel: the same products.",
        keywords=dict(need_weights=False),
    ),
    multihead("multihead_batch_first", "The order of axes is free.", batch_first=True),
    multihead("multihead_no_bias", "No biases.", bias=False),
    multihead(
        "multihead_cross",
        "Queries and keys of different lengths.",
        keys=S,
        inputs=lambda: (torch.randn(L, N, E), *[torch.randn(S, N, E)] * 2),
    ),
    multihead(
        "multihead_distinct_key_and_value",
        "Three different inputs.",
        keys=S,
        inputs=random((L, N, E), (S, N, E), (S, N, E)),
        keywords=dict(need_weights=False),
    ),
    multihead(
        "multihead_kdim_vdim",
        "kdim = 9, vdim = 10: separate projection matrices.",
        keys=S,
        kdim=9,
        vdim=10,
        inputs=random((L, N, E), (S, N, 9), (S, N, 10)),
    ),
    multihead(
        "multihead_bias_kv",
        "One learned key and value is appended after the projections: S + 1 keys.",
        extra_keys=1,
        add_bias_kv=True,
    ),
    multihead(
        "multihead_zero_attention",
        "A key and value of zeros is appended: S + 1 keys.",
        extra_keys=1,
        add_zero_attn=True,
    ),
    multihead(
        "multihead_causal_mask",
        "A mask adds, it removes no product.",
        keywords=dict(attn_mask=causal(L), is_causal=True, need_weights=False),
    ),
    multihead(
        "multihead_padding_mask",
        "Padded keys are multiplied all the same.",
        keywords=dict(key_padding_mask=torch.arange(L).expand(N, L) >= L - 1),
    ),
    multihead("multihead_unbatched", "No batch axis.", batch=1, inputs=random((L, E))),
    multihead(
        "multihead_eval_fast_path",
        "In eval mode without gradients: one fused kernel, the same products.",
        batch_first=True,
        frozen_view=True,
        keywords=dict(need_weights=False),
    ),
    scaled_dot_product("sdpa", "Plain."),
    scaled_dot_product("sdpa_causal", "Causal attention counts all L·S products (nominal).", is_causal=True),
    scaled_dot_product(
        "sdpa_mask",
        "A mask tensor adds.",
        keys=S,
        inputs=lambda: (torch.randn(N, L, E), torch.randn(N, S, E), torch.rand(L, S) > 0.0),
    ),
    scaled_dot_product("sdpa_lengths_differ", "L queries, S keys.", keys=S),
    scaled_dot_product(
        "sdpa_grouped",
        "Four query heads share two key and value heads: the core has the query's heads.",
        keys=S,
        kv_heads=2,
        enable_gqa=True,
    ),
    scaled_dot_product("sdpa_value_width", "Values of another width: d = 6, d_v = 4.", keys=S, value_width=4),
    scaled_dot_product(
        "sdpa_unbatched", "Three axes: heads, positions, features.", batch=1, inputs=random((L, E), (L, E))
    ),
    scaled_dot_product("sdpa_one_query", "Decoding: one query against S cached keys.", queries=1, keys=S),
    Case(
        name="sdpa_no_parameters",
        build=lambda: Function(functional.scaled_dot_product_attention),
        inputs=random((N, HEADS, L, 4), (N, HEADS, S, 4), (N, HEADS, S, 4)),
        parameters=0,
        weights=0,
        biases=0,
        forward_macs=2 * N * HEADS * L * S * 4,
        backward_macs=0,
        note="Scores and values N·heads·L·S·d each; nothing is learned.",
    ),
    Case(
        name="attention_by_hand",
        build=HandWritten,
        inputs=random((N, L, E)),
        parameters=4 * E * E,
        weights=4 * E * E,
        biases=0,
        forward_macs=N * (4 * L * E * E + 2 * L * L * E),
        backward_macs=N * (4 * L * E * E + L * E * E + 4 * L * L * E),
        note="einsum, rotary positions (elementwise), a causal mask: as nn.MultiheadAttention.",
    ),
    Case(
        name="attention_linear",
        build=LinearAttention,
        inputs=random((N, L, E)),
        parameters=3 * E * E,
        weights=3 * E * E,
        biases=0,
        forward_macs=N * (3 * L * E * E + 2 * L * E * (E // HEADS)),
        backward_macs=N * (3 * L * E * E + 4 * L * E * (E // HEADS)),
        note="Kᵀ·V and Q·(KᵀV) are N·heads·L·d·d = N·L·E·d each; backward both operands of both, and the projection.",
    ),
    Case(
        name="encoder_layer",
        build=encoder_layer,
        inputs=random((N, L, E)),
        parameters=ENCODER_WEIGHTS + ENCODER_BIASES,
        weights=ENCODER_WEIGHTS,
        biases=ENCODER_BIASES,
        forward_macs=encoder_forward(L),
        backward_macs=encoder_backward(L, input_needed=False),
        note="4·N·L·E² + 2·N·L²·E + 2·N·L·E·F. Post-norm: attention reads the model's input, no gradient there.",
    ),
    Case(
        name="encoder_layer_norm_first",
        build=lambda: encoder_layer(norm_first=True, activation="gelu"),
        inputs=random((N, L, E)),
        parameters=ENCODER_WEIGHTS + ENCODER_BIASES,
        weights=ENCODER_WEIGHTS,
        biases=ENCODER_BIASES,
        forward_macs=encoder_forward(L),
        backward_macs=encoder_backward(L, input_needed=True),
        note="Pre-norm: the norm's scale is learned, so the projections' input gradient 3·N·L·E² is needed as well.",
    ),
    Case(
        name="encoder_layer_sequence_first",
        build=lambda: encoder_layer(batch_first=False, bias=False),
        inputs=random((L, N, E)),
        parameters=ENCODER_WEIGHTS,
        weights=ENCODER_WEIGHTS,
        biases=0,
        forward_macs=encoder_forward(L),
        backward_macs=encoder_backward(L, input_needed=False),
        note="Axes (L, N, E), no biases.",
    ),
    Case(
        name="encoder_layer_eval_fast_path",
        build=lambda: encoder_layer().eval().requires_grad_(False),
        inputs=random((N, L, E)),
        parameters=ENCODER_WEIGHTS + ENCODER_BIASES,
        weights=ENCODER_WEIGHTS,
        biases=ENCODER_BIASES,
        forward_macs=encoder_forward(L),
        backward_macs=0,
        note="One fused kernel for the layer, the same products; nothing is trained.",
    ),
    Case(
        name="encoder_two_layers",
        build=lambda: nn.TransformerEncoder(encoder_layer(), 2, norm=nn.LayerNorm(E), enable_nested_tensor=False),
        inputs=random((N, L, E)),
        parameters=2 * (ENCODER_WEIGHTS + ENCODER_BIASES) + 2 * E,
        weights=2 * ENCODER_WEIGHTS + E,
        biases=2 * ENCODER_BIASES + E,
        forward_macs=2 * encoder_forward(L),
        backward_macs=encoder_backward(L, input_needed=False) + encoder_backward(L, input_needed=True),
        note="The second layer's input gradient is needed.",
    ),
    Case(
        name="decoder_layer",
        build=lambda: nn.TransformerDecoderLayer(**LAYER),
        inputs=random((N, L, E), (N, S, E)),
        parameters=DECODER_WEIGHTS + DECODER_BIASES,
        weights=DECODER_WEIGHTS,
        biases=DECODER_BIASES,
        forward_macs=decoder_forward(L, S),
        backward_macs=decoder_backward(L, S, input_needed=False, memory_needed=False),
        note="Self-attention, cross-attention to S memories, feed-forward; target and memory are inputs of the model.",
    ),
    Case(
        name="decoder_layer_norm_first_causal",
        build=lambda: nn.TransformerDecoderLayer(**LAYER, norm_first=True),
        inputs=lambda: {
            "tgt": torch.randn(N, L, E),
            "memory": torch.randn(N, S, E),
            "tgt_mask": causal(L),
            "tgt_is_causal": True,
        },
        parameters=DECODER_WEIGHTS + DECODER_BIASES,
        weights=DECODER_WEIGHTS,
        biases=DECODER_BIASES,
        forward_macs=decoder_forward(L, S),
        backward_macs=decoder_backward(L, S, input_needed=True, memory_needed=False),
        note="Pre-norm: the self-attention's input gradient is needed; the memory is not normed, so not its.",
    ),
    Case(
        name="transformer",
        build=transformer,
        inputs=random((N, S, E), (N, L, E)),
        parameters=2 * (ENCODER_WEIGHTS + ENCODER_BIASES + DECODER_WEIGHTS + DECODER_BIASES) + 2 * 2 * E,
        weights=2 * (ENCODER_WEIGHTS + DECODER_WEIGHTS) + 2 * E,
        biases=2 * (ENCODER_BIASES + DECODER_BIASES) + 2 * E,
        forward_macs=2 * encoder_forward(S) + 2 * decoder_forward(L, S),
        backward_macs=encoder_backward(S, input_needed=False)
        + encoder_backward(S, input_needed=True)
        + decoder_backward(L, S, input_needed=False, memory_needed=True)
        + decoder_backward(L, S, input_needed=True, memory_needed=True),
        note="Two encoder layers over S, two decoder layers over L; the memory comes from the encoder, so its gradient is"
        " needed in both decoder layers; the inputs of both first layers are the model's.",
    ),
    Case(
        name="tiny_gpt_tied",
        build=TinyGpt,
        inputs=lambda: (torch.randint(VOCABULARY, (N, L)),),
        parameters=VOCABULARY * E + BLOCK * E + 3 * 2 * E + (4 * E * E + 4 * E) + (2 * E * FF + FF + E),
        weights=None,
        biases=None,
        forward_macs=GPT_DENSE + GPT_CORE,
        backward_macs=2 * GPT_DENSE + 2 * GPT_CORE,
        note="N·L·(4·E² + 2·E·F + E·V) + 2·N·L²·E; the embedding is learned, so every contraction has both gradients. The"
        " tied table counts once; positions are other.",
    ),
)
