"""Encoder and decoder of text."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, TOKENS, Case, Sheet

V, P, D, H, L, F, WIDTH = 50, 16, 24, 4, 2, 40, 5
OUT = 4
"""Tokens that the decoder has seen; WIDTH is that of a head of T5."""
N, M = BATCH * TOKENS, BATCH * OUT
BUCKETS = 32
INPUTS = {"input_ids": (BATCH, TOKENS), "decoder_input_ids": (BATCH, OUT)}


def attend(s: Sheet, queries: int, keys: int, inner: int, *, bias: bool) -> None:
    """Queries of one side, keys and values of the other or the same."""
    s.dense(BATCH * queries, D, inner, bias=bias)
    s.dense(BATCH * keys, D, inner, bias=bias)
    s.dense(BATCH * keys, D, inner, bias=bias)
    s.attention(BATCH, H, queries, keys, inner // H)
    s.dense(BATCH * queries, inner, D, bias=bias)


def t5(s: Sheet) -> None:
    """No biases, scales alone in the norms; distances have scores in the first layer of each side."""
    inner = H * WIDTH
    s.learned(V, D)
    s.learned(2, BUCKETS, H)
    for _ in range(L):
        attend(s, TOKENS, TOKENS, inner, bias=False)
        s.dense(N, D, F, bias=False)
        s.dense(N, F, D, bias=False)
        attend(s, OUT, OUT, inner, bias=False)
        attend(s, OUT, TOKENS, inner, bias=False)
        s.dense(M, D, F, bias=False)
        s.dense(M, F, D, bias=False)
        s.learned(5, D)
    s.learned(2, D)
    s.again(M, D, V)


def bart(s: Sheet) -> None:
    s.learned(V, D)
    s.learned(2, P + 2, D)
    for _ in range(2):
        s.norm(D)
    for _ in range(L):
        attend(s, TOKENS, TOKENS, D, bias=True)
        s.dense(N, D, F)
        s.dense(N, F, D)
        attend(s, OUT, OUT, D, bias=True)
        attend(s, OUT, TOKENS, D, bias=True)
        s.dense(M, D, F)
        s.dense(M, F, D)
        for _ in range(5):
            s.norm(D)
    s.again(M, D, V)


T5 = {
    "vocab_size": V, "d_model": D, "d_kv": WIDTH, "d_ff": F, "num_layers": L, "num_heads": H,
    "relative_attention_num_buckets": BUCKETS, "decoder_start_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
BART = {
    "vocab_size": V, "d_model": D, "encoder_layers": L, "decoder_layers": L, "encoder_attention_heads": H,
    "decoder_attention_heads": H, "encoder_ffn_dim": F, "decoder_ffn_dim": F, "max_position_embeddings": P,
}  # fmt: skip
SEQUENCES = (
    Case("t5", "T5ForConditionalGeneration", "t5", T5, INPUTS, t5),
    Case("bart", "BartForConditionalGeneration", "bart", BART, INPUTS, bart),
)
