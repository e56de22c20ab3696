"""Encoders of text: every token sees every other."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, IDS, TOKENS, Case, Sheet

N, V, P, D, H, L, F = BATCH * TOKENS, 50, 16, 24, 4, 2, 40
HEAD, TYPES, NARROW = D // H, 2, 14


def layer(s: Sheet) -> None:
    """Queries, keys, values, scores, output, two inner layers, two norms."""
    for _ in range(3):
        s.dense(N, D, D)
    s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
    s.dense(N, D, D)
    s.norm(D)
    s.dense(N, D, F)
    s.dense(N, F, D)
    s.norm(D)


def bert(s: Sheet) -> None:
    s.learned(V + P + TYPES, D)
    s.norm(D)
    for _ in range(L):
        layer(s)
    s.dense(BATCH, D, D)  # the pooler, on the first token


def distilbert(s: Sheet) -> None:
    s.learned(V + P, D)
    s.norm(D)
    for _ in range(L):
        layer(s)


def electra(s: Sheet) -> None:
    s.learned(V + P + TYPES, NARROW)
    s.norm(NARROW)
    s.dense(N, NARROW, D)
    for _ in range(L):
        layer(s)


def albert(s: Sheet) -> None:
    """One layer's weights, used L times."""
    s.learned(V + P + TYPES, NARROW)
    s.norm(NARROW)
    s.dense(N, NARROW, D)
    layer(s)
    for _ in range(L - 1):
        for n, m in ((D, 4 * D), (D, F), (F, D)):
            s.again(N, n, m)
        s.attention(BATCH, H, TOKENS, TOKENS, HEAD)
    s.dense(BATCH, D, D)


def deberta(s: Sheet) -> None:
    """Scores of contents, of content with position and of position with content; distances up to 2·8 − 1."""
    distances = 2 * 8
    s.learned(V, D)
    s.norm(D)
    s.learned(distances, D)
    s.norm(D)
    for _ in range(L):
        layer(s)
        s.again(2 * distances, D, D)  # keys and queries of the distances, by the same matrices
        s.again(2 * BATCH * H * TOKENS, HEAD, distances)


SIZES = {
    "vocab_size": V, "hidden_size": D, "num_hidden_layers": L, "num_attention_heads": H, "intermediate_size": F,
    "max_position_embeddings": P, "type_vocab_size": TYPES, "pad_token_id": 0,
}  # fmt: skip
DISTIL = {
    "vocab_size": V, "dim": D, "n_layers": L, "n_heads": H, "hidden_dim": F, "max_position_embeddings": P, "pad_token_id": 0,
}  # fmt: skip
DEBERTA = {
    "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "share_att_key": True,
    "norm_rel_ebd": "layer_norm", "position_buckets": 8, "max_relative_positions": -1, "type_vocab_size": 0,
}  # fmt: skip
ENCODERS = (
    Case("bert", "BertModel", "bert", SIZES, IDS, bert),
    Case("roberta", "RobertaModel", "roberta", SIZES | {"pad_token_id": 1}, IDS, bert),
    Case("distilbert", "DistilBertModel", "distilbert", DISTIL, IDS, distilbert),
    Case("electra", "ElectraModel", "electra", SIZES | {"embedding_size": NARROW}, IDS, electra),
    Case("albert", "AlbertModel", "albert", SIZES | {"embedding_size": NARROW, "num_hidden_groups": 1}, IDS, albert),
    Case("deberta_v2", "DebertaV2Model", "deberta-v2", SIZES | DEBERTA, IDS, deberta),
)
