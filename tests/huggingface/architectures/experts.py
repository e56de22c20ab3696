"""Mixtures of experts: a router sends each token to a few of them, and only those multiply."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, IDS, TOKENS, Case, Sheet
from tests.huggingface.architectures.decoders import HEAD, ROTARY, D, F, H, L, N, V, gated, grouped

E, K, INNER = 6, 2, 10
"""Experts, those chosen for a token, the inner width of one."""


def routed(s: Sheet, inner: int, *, bias: bool = False, router_bias: bool = False) -> None:
    """A router, and three matrices in each expert, of which a token uses those of K."""
    s.dense(N, D, E, bias=router_bias)
    s.learned(E, 3, D, inner)
    if bias:
        s.learned(E, 2 * inner + D)
    s.again(N * K, D, 3 * inner)


def mixtral(s: Sheet) -> None:
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        grouped(s, H, 2, HEAD)
        s.norm(D, bias=False)
        routed(s, F)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def qwen3(s: Sheet) -> None:
    """Norms on each query and key; heads wider than their share."""
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        grouped(s, H, 2, 8)
        s.norm(8, bias=False)
        s.norm(8, bias=False)
        s.norm(D, bias=False)
        routed(s, INNER)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def gpt_oss(s: Sheet) -> None:
    """Biases everywhere, and one learned score for each head that no value belongs to."""
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        grouped(s, H, 2, 8, bias=True)
        s.learned(H)
        s.norm(D, bias=False)
        routed(s, INNER, bias=True, router_bias=True)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def latent(s: Sheet, query_rank: int, rank: int, plain: int, rotated: int, value: int) -> None:
    """Queries, keys and values through narrow layers; part of a key is rotated and shared by all heads."""
    s.dense(N, D, query_rank, bias=False)
    s.norm(query_rank, bias=False)
    s.dense(N, query_rank, H * (plain + rotated), bias=False)
    s.dense(N, D, rank + rotated, bias=False)
    s.norm(rank, bias=False)
    s.dense(N, rank, H * (plain + value), bias=False)
    s.attention(BATCH, H, TOKENS, TOKENS, plain + rotated, value)
    s.dense(N, H * value, D, bias=False)


def deepseek_v3(s: Sheet) -> None:
    """The first layer is dense; behind it each has a shared expert beside the routed ones."""
    s.learned(V, D)
    for layer in range(L):
        s.norm(D, bias=False)
        latent(s, query_rank=9, rank=5, plain=6, rotated=4, value=7)
        s.norm(D, bias=False)
        if layer == 0:
            gated(s, N, D, F)
        else:
            routed(s, INNER)
            gated(s, N, D, INNER)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


def dbrx(s: Sheet) -> None:
    """Queries, keys and values from one matrix; a loop over experts; norms without a bias."""
    s.learned(V, D)
    for _ in range(L):
        s.norm(D, bias=False)
        s.dense(N, D, D + 2 * 2 * HEAD, bias=False)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
        s.dense(N, D, D, bias=False)
        s.norm(D, bias=False)
        routed(s, INNER)
    s.norm(D, bias=False)
    s.dense(N, D, V, bias=False)


DEEPSEEK = {
    "num_key_value_heads": H, "moe_intermediate_size": INNER, "n_routed_experts": E, "num_experts_per_tok": K,
    "n_shared_experts": 1, "first_k_dense_replace": 1, "n_group": 3, "topk_group": 2, "q_lora_rank": 9, "kv_lora_rank": 5,
    "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 7, "head_dim": 4,
}  # fmt: skip
EXPERTS = (
    Case(
        "mixtral", "MixtralForCausalLM", "mixtral",
        ROTARY | {"num_local_experts": E, "num_experts_per_tok": K}, IDS, mixtral,
    ),
    Case(
        "qwen3_moe", "Qwen3MoeForCausalLM", "qwen3_moe",
        ROTARY | {"num_experts": E, "num_experts_per_tok": K, "moe_intermediate_size": INNER, "head_dim": 8}, IDS, qwen3,
    ),
    Case(
        "gpt_oss", "GptOssForCausalLM", "gpt_oss",
        ROTARY | {
            "num_local_experts": E, "num_experts_per_tok": K, "intermediate_size": INNER, "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        IDS, gpt_oss,
    ),
    Case(
        "dbrx", "DbrxForCausalLM", "dbrx",
        {
            "vocab_size": V, "d_model": D, "n_heads": H, "n_layers": L, "max_seq_len": 16,
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 10_000},
            "ffn_config": {"ffn_hidden_size": INNER, "moe_num_experts": E, "moe_top_k": K, "hidden_size": D},
        },
        IDS, dbrx,
    ),
    Case("deepseek_v3", "DeepseekV3ForCausalLM", "deepseek_v3", ROTARY | DEEPSEEK, IDS, deepseek_v3),
)  # fmt: skip
