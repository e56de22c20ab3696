"""What a tensor does, told by its name and shape: weights multiply, biases add, buffers are not learned."""

from __future__ import annotations

import re

from nncost.frontends.weights.contents import Beside, Entry
from nncost.ir.graph import Role

BIAS = re.compile(r"(.*bias|bias_[ih]h_l\d+(_reverse)?|beta)\Z")
BUFFERS = frozenset({
    "running_mean", "running_var", "num_batches_tracked", "moving_mean", "moving_variance", "inv_freq", "original_inv_freq",
    "rotary_emb", "cos_cached", "sin_cached", "position_ids", "token_type_ids", "relative_position_index",
    "relative_coords_table", "attn_mask", "attention_mask", "causal_mask", "masked_bias", "rope_freqs", "rope_factors_long",
    "rope_factors_short", "g_idx", "seed_generator_state", "n_averaged", "initialized", "code_usage",
})  # fmt: skip
"""State and constants that frameworks store beside what is learned."""
OTHER = frozenset({
    "position_embedding", "position_embeddings", "positional_embedding", "pos_embed", "pos_embedding", "pos_emb", "embed_positions",
    "wpe", "position_embd", "relative_attention_bias", "relative_position_bias_table", "rel_pos_h", "rel_pos_w", "relative_embedding",
    "cls_token", "dist_token", "mask_token", "reg_token", "register_tokens", "class_embedding", "query_tokens", "latents",
    "a_log", "d", "ssm_a", "ssm_d", "sinks", "scales", "qzeros", "weight_scale", "weight_scale_inv", "weight_scale_2", "input_scale",
    "weight_zero_point", "absmax", "quant_map", "nested_absmax", "nested_quant_map",
})  # fmt: skip
"""Position tables, learned states, constants of state-space layers and of packed quantization."""
FACTORS = frozenset({
    "weight", "kernel", "gamma", "scale", "embedding", "embeddings", "g", "weight_g", "weight_v", "original0", "original1",
    "logit_scale", "layer_scale", "lambda", "lambda_1", "lambda_2", "w", "alpha",
})  # fmt: skip
"""Names whose numbers multiply even where they are one list or a single number."""
_NEVER_LEARNED = frozenset({"bool", "int64", "uint64", "uint32"})
_PACKED = frozenset({"int32", "int16", "int8", "uint8", "uint16"})
_NUMBER = re.compile(r"(float|bfloat|complex|u?int|qu?int|bool|[A-Z])")
_MATRIX_AXES = 2
_STATISTICS = "batch_stats"
"""Where Flax keeps running averages."""


def role_of(entry: Entry) -> Role | Beside:
    """The role that is known, or the one that name, type and number of axes tell."""
    if entry.role is not None:
        return entry.role
    *parents, last = entry.name.lower().split(".")
    parent = parents[-1] if parents else ""
    if (
        BUFFERS & {last, parent}
        or _STATISTICS in parents
        or entry.dtype in _NEVER_LEARNED
        or not _NUMBER.match(entry.dtype)
        or _is_mask(entry)
    ):
        return "buffer"
    if OTHER & {last, parent}:
        return "other"
    if BIAS.match(last):
        return "bias"
    return "weight" if last in FACTORS or last.startswith("weight") or len(entry.shape) >= _MATRIX_AXES else "other"


def may_be_packed(entry: Entry) -> bool:
    """Whether one stored integer may hold several weights, and nothing tells how many."""
    return not entry.packed and entry.dtype in _PACKED and role_of(entry) == "weight"


def _is_mask(entry: Entry) -> bool:
    """GPT-2 stores its causal mask, of 1×1×T×T, under the name ``attn.bias``."""
    return entry.name.endswith(".attn.bias") and entry.shape[:-2] == (1, 1) and entry.shape[-1] == entry.shape[-2]
