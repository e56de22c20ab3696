"""Attention on maps that shrink: Swin within windows, SegFormer on keys from fewer places."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, Case, Sheet

COLOURS, LABELS, SIDE = 3, 10, 32
INPUT = {"pixel_values": (BATCH, COLOURS, SIDE, SIDE)}


def swin(s: Sheet) -> None:
    """Patches of 4, windows of 4 × 4, widths of 12 and 24 with 3 and 6 heads; shifting windows costs no multiplication."""
    width, heads, side, window = 12, 3, SIDE // 4, 4
    s.conv(COLOURS, width, (4, 4), (side, side))
    s.norm(width)
    for stage in range(2):
        if stage:  # four neighbours become one
            side //= 2
            s.norm(4 * width)
            s.dense(BATCH * side * side, 4 * width, 2 * width, bias=False)
            width, heads = 2 * width, 2 * heads
        places = BATCH * side * side
        for _ in range(2):
            s.norm(width)
            for _ in range(3):
                s.dense(places, width, width)
            s.learned((2 * window - 1) ** 2, heads)
            s.attention(places // window**2, heads, window**2, window**2, width // heads)
            s.dense(places, width, width)
            s.norm(width)
            s.dense(places, width, 4 * width)
            s.dense(places, 4 * width, width)
    s.norm(width)
    s.dense(BATCH, width, LABELS)


def segformer(s: Sheet) -> None:
    """Two stages of 8 and 16 with keys from one place in 16 and in 4; a head that joins them at the larger size."""
    widths, heads, strides, kernels, reductions, sides, joined = (8, 16), (1, 2), (4, 2), (7, 3), (4, 2), [], 20
    side, before = SIDE, COLOURS
    for width, head, stride, kernel, reduction in zip(widths, heads, strides, kernels, reductions, strict=True):
        side //= stride
        sides.append(side)
        s.conv(before, width, (kernel, kernel), (side, side))
        s.norm(width)
        places, keys = side * side, (side // reduction) ** 2
        for _ in range(2):
            s.norm(width)
            s.dense(BATCH * places, width, width)
            s.conv(width, width, (reduction, reduction), (side // reduction, side // reduction))
            s.norm(width)
            s.dense(BATCH * keys, width, width)
            s.dense(BATCH * keys, width, width)
            s.attention(BATCH, head, places, keys, width // head)
            s.dense(BATCH * places, width, width)
            s.norm(width)
            s.dense(BATCH * places, width, 4 * width)
            s.conv(4 * width, 4 * width, (3, 3), (side, side), groups=4 * width)
            s.dense(BATCH * places, 4 * width, width)
        s.norm(width)
        before = width
    for width, side in zip(widths, sides, strict=True):
        s.dense(BATCH * side * side, width, joined)
    s.conv(2 * joined, joined, (1, 1), (sides[0], sides[0]), bias=False)
    s.norm(joined)
    s.conv(joined, LABELS, (1, 1), (sides[0], sides[0]))


SWIN = {
    "image_size": SIDE, "patch_size": 4, "embed_dim": 12, "depths": [2, 2], "num_heads": [3, 6], "window_size": 4,
    "num_labels": LABELS,
}  # fmt: skip
SEGFORMER = {
    "num_encoder_blocks": 2, "depths": [2, 2], "sr_ratios": [4, 2], "hidden_sizes": [8, 16], "patch_sizes": [7, 3],
    "strides": [4, 2], "num_attention_heads": [1, 2], "mlp_ratios": [4, 4], "decoder_hidden_size": 20,
    "num_labels": LABELS,
}  # fmt: skip
PYRAMIDS = (
    Case("swin", "SwinForImageClassification", "swin", SWIN, INPUT, swin),
    Case("segformer", "SegformerForSemanticSegmentation", "segformer", SEGFORMER, INPUT, segformer),
)
