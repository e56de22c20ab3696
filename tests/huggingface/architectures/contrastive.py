"""CLIP: a text and an image, each through its own transformer, compared by their products."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, TOKENS, Case, Sheet

V, P, TEXT, VISION, F, HEADS, LAYERS, SHARED = 50, 9, 16, 24, 40, 4, 2, 12
SIDE, PATCH = 32, 8
PATCHES = (SIDE // PATCH) ** 2


def layers(s: Sheet, tokens: int, width: int) -> None:
    n = BATCH * tokens
    for _ in range(LAYERS):
        s.norm(width)
        for _ in range(4):  # queries, keys, values, output
            s.dense(n, width, width)
        s.attention(BATCH, HEADS, tokens, tokens, width // HEADS)
        s.norm(width)
        s.dense(n, width, F)
        s.dense(n, F, width)


def clip(s: Sheet) -> None:
    s.learned(V + P, TEXT)
    layers(s, TOKENS, TEXT)
    s.norm(TEXT)
    s.conv(3, VISION, (PATCH, PATCH), (SIDE // PATCH, SIDE // PATCH), bias=False)
    s.learned(1 + PATCHES + 1, VISION)
    s.norm(VISION)
    layers(s, PATCHES + 1, VISION)
    s.norm(VISION)
    s.dense(BATCH, TEXT, SHARED, bias=False)
    s.dense(BATCH, VISION, SHARED, bias=False)
    s.again(BATCH, SHARED, BATCH)  # every text with every image
    s.learned(1)


SIDES = {"num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "intermediate_size": F, "projection_dim": SHARED}
CLIP = Case(
    "clip", "CLIPModel", "clip",
    {
        "text_config": SIDES | {
            "vocab_size": V, "hidden_size": TEXT, "max_position_embeddings": P, "eos_token_id": 2, "bos_token_id": 1,
            "pad_token_id": 0,
        },
        "vision_config": SIDES | {"hidden_size": VISION, "image_size": SIDE, "patch_size": PATCH},
        "projection_dim": SHARED,
    },
    {"input_ids": (BATCH, TOKENS), "pixel_values": (BATCH, 3, SIDE, SIDE)}, clip,
)  # fmt: skip
