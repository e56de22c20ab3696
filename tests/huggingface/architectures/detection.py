"""DETR: a ResNet, a transformer on its last map, and a box for each of a few queries."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, Case, Sheet
from tests.huggingface.architectures.images import RESNET, resnet_features

SIDE, D, H, F, LAYERS, QUERIES, LABELS = 64, 24, 4, 40, 2, 5, 10
PLACES = (SIDE // 8) ** 2


def attend(s: Sheet, queries: int, keys: int) -> None:
    s.dense(BATCH * queries, D, D)
    s.dense(BATCH * keys, D, D)
    s.dense(BATCH * keys, D, D)
    s.attention(BATCH, H, queries, keys, D // H)
    s.dense(BATCH * queries, D, D)
    s.norm(D)


def inner(s: Sheet, positions: int) -> None:
    s.dense(positions, D, F)
    s.dense(positions, F, D)
    s.norm(D)


def detr(s: Sheet) -> None:
    """The norms of the ResNet are frozen: buffers, not parameters."""
    resnet_features(s, SIDE, learned_norms=False)
    s.conv(32, D, (1, 1), (SIDE // 8, SIDE // 8))
    s.learned(QUERIES, D)
    for _ in range(LAYERS):
        attend(s, PLACES, PLACES)
        inner(s, BATCH * PLACES)
        attend(s, QUERIES, QUERIES)
        attend(s, QUERIES, PLACES)
        inner(s, BATCH * QUERIES)
    s.norm(D)
    s.dense(BATCH * QUERIES, D, LABELS + 1)  # or nothing
    for n, m in ((D, D), (D, D), (D, 4)):
        s.dense(BATCH * QUERIES, n, m)


DETR = Case(
    "detr", "DetrForObjectDetection", "detr",
    {
        "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
        "backbone_config": RESNET | {"model_type": "resnet", "out_features": ["stage2"]},
        "d_model": D, "encoder_attention_heads": H, "decoder_attention_heads": H, "encoder_ffn_dim": F,
        "decoder_ffn_dim": F, "encoder_layers": LAYERS, "decoder_layers": LAYERS, "num_queries": QUERIES,
        "num_labels": LABELS,
    },
    {"pixel_values": (BATCH, 3, SIDE, SIDE)}, detr,
)  # fmt: skip
