"""Decoders of text: each token sees those before it, and all scores are computed."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, IDS, TOKENS, Case, Sheet

N, V, P, D, H, L, F = BATCH * TOKENS, 50, 16, 24, 4, 2, 40
HEAD = D // H
"""Tokens in the batch, vocabulary, positions, width, heads, layers, inner width."""


def gpt2(s: Sheet) -> None:
    s.learned(V, D)
    s.learned(P, D)
    for _ in range(L):
        s.norm(D)
        s.dense(N, D, 3 * D)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
        s.dense(N, D, D)
        s.norm(D)
        s.dense(N, D, 4 * D)
        s.dense(N, 4 * D, D)
    s.norm(D)
    s.again(N, D, V)  # the head is the table of tokens


def grouped(s: Sheet, heads: int, key_heads: int, width: int, *, bias: bool = False) -> None:
    """Queries, fewer keys and values, scores, output."""
    s.dense(N, D, heads * width, bias=bias)
    s.dense(N, D, key_heads * width, bias=bias)
    s.dense(N, D, key_heads * width, bias=bias)
    s.attention(BATCH, heads, TOKENS, TOKENS, width)
    s.dense(N, heads * width, D, bias=bias)


def gated(s: Sheet, positions: int, width: int, inner: int) -> None:
    """Gate, up and down."""
    s.dense(positions, width, inner, bias=False)
    s.dense(positions, width, inner, bias=False)
    s.dense(positions, inner, width, bias=False)


def llama(s: Sheet) -> None:
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        grouped(s, H, 2, HEAD)
        s.norm(D, bias=False)
        gated(s, N, D, F)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def gemma2(s: Sheet) -> None:
    s.learned(V, D)
    for _ in range(L):
        for _ in range(4):
            s.norm(D, bias=False)
        grouped(s, H, 2, 10)
        gated(s, N, D, F)
    s.norm(D, bias=False)
    s.again(N, D, V)


def falcon(s: Sheet) -> None:
    """One key and value for all heads; attention and the inner layers side by side behind one norm."""
    s.learned(V, D)
    for _ in range(L):
        s.norm(D)
        s.dense(N, D, (H + 2) * HEAD, bias=False)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
        s.dense(N, D, D, bias=False)
        s.dense(N, D, 4 * D, bias=False)
        s.dense(N, 4 * D, D, bias=False)
    s.norm(D)
    s.again(N, D, V)


def bloom(s: Sheet) -> None:
    s.learned(V, D)
    s.norm(D)
    for _ in range(L):
        s.norm(D)
        s.dense(N, D, 3 * D)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
        s.dense(N, D, D)
        s.norm(D)
        s.dense(N, D, 4 * D)
        s.dense(N, 4 * D, D)
    s.norm(D)
    s.again(N, D, V)


def phi3(s: Sheet) -> None:
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        s.dense(N, D, D + 2 * 2 * HEAD, bias=False)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
        s.dense(N, D, D, bias=False)
        s.norm(D, bias=False)
        s.dense(N, D, 2 * F, bias=False)
        s.dense(N, F, D, bias=False)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def opt(s: Sheet) -> None:
    s.learned(V, D)
    s.learned(P + 2, D)
    for _ in range(L):
        s.norm(D)
        grouped(s, H, H, HEAD, bias=True)
        s.norm(D)
        s.dense(N, D, F)
        s.dense(N, F, D)
    s.norm(D)
    s.again(N, D, V)


def mamba(s: Sheet) -> None:
    """Width 24, inner 48, 5 states, rank 3, windows of 4."""
    inner, states, rank, window = 48, 5, 3, 4
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        s.dense(N, D, 2 * inner, bias=False)
        s.conv(inner, inner, (window,), (TOKENS + window - 1,), groups=inner)
        s.dense(N, inner, rank + 2 * states, bias=False)
        s.dense(N, rank, inner)
        s.learned(inner, states)
        s.learned(inner)
        s.again(N, states, inner)  # the state read out at each token
        s.dense(N, inner, D, bias=False)
    s.norm(D, bias=False)
    s.again(N, D, V)


SIZES = {
    "vocab_size": V, "hidden_size": D, "num_hidden_layers": L, "num_attention_heads": H, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ROTARY = SIZES | {"num_key_value_heads": 2, "intermediate_size": F, "max_position_embeddings": P}
GPT2 = {"vocab_size": V, "n_positions": P, "n_embd": D, "n_layer": L, "n_head": H, "bos_token_id": 1, "eos_token_id": 2}
DECODERS = (
    Case("gpt2", "GPT2LMHeadModel", "gpt2", GPT2, IDS, gpt2),
    Case("llama", "LlamaForCausalLM", "llama", ROTARY, IDS, llama),
    Case("gemma2", "Gemma2ForCausalLM", "gemma2", ROTARY | {"head_dim": 10, "query_pre_attn_scalar": 10}, IDS, gemma2),
    Case("falcon", "FalconForCausalLM", "falcon", SIZES | {"bias": False, "parallel_attn": True}, IDS, falcon),
    Case("bloom", "BloomForCausalLM", "bloom", SIZES | {"n_layer": L, "n_head": H}, IDS, bloom),
    Case("phi3", "Phi3ForCausalLM", "phi3", ROTARY, IDS, phi3),
    Case(
        "opt", "OPTForCausalLM", "opt",
        SIZES | {"max_position_embeddings": P, "ffn_dim": F, "word_embed_proj_dim": D}, IDS, opt,
    ),
    Case(
        "mamba", "MambaForCausalLM", "mamba",
        SIZES | {"state_size": 5, "time_step_rank": 3, "conv_kernel": 4, "expand": 2}, IDS, mamba,
    ),
)  # fmt: skip
