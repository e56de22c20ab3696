"""Images as rows of patches (ViT, BEiT) and as maps that convolutions shrink (ResNet, ConvNeXt, MobileNetV2)."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, Case, Sheet

COLOURS, LABELS = 3, 10
D, H, L, F, SIDE, PATCH = 24, 4, 2, 40, 32, 8
PATCHES = (SIDE // PATCH) ** 2
INPUT = {"pixel_values": (BATCH, COLOURS, SIDE, SIDE)}


def patches(s: Sheet) -> None:
    s.conv(COLOURS, D, (PATCH, PATCH), (SIDE // PATCH, SIDE // PATCH))
    s.learned(D)  # the token of the whole image


def layer(s: Sheet, *, key_bias: bool = True) -> None:
    """Norms before attention and before the inner layers; PATCHES + 1 tokens."""
    tokens = PATCHES + 1
    n = BATCH * tokens
    s.norm(D)
    for bias in (True, key_bias, True):
        s.dense(n, D, D, bias=bias)
    s.attention(BATCH, H, tokens, tokens, D // H)
    s.dense(n, D, D)
    s.norm(D)
    s.dense(n, D, F)
    s.dense(n, F, D)


def vit(s: Sheet) -> None:
    patches(s)
    s.learned(PATCHES + 1, D)
    for _ in range(L):
        layer(s)
    s.norm(D)
    s.dense(BATCH, D, LABELS)


def beit(s: Sheet) -> None:
    """Distances instead of positions, two scales a layer, the mean of the patches through a norm at the end."""
    wide = 2 * (SIDE // PATCH) - 1
    patches(s)
    for _ in range(L):
        layer(s, key_bias=False)
        s.learned(wide * wide + 3, H)
        s.learned(2, D)
    s.norm(D)
    s.dense(BATCH, D, LABELS)


def convolved(s: Sheet, n: int, m: int, kernel: int, side: int, *, groups: int = 1) -> None:
    """A convolution without bias and the norm behind it."""
    s.conv(n, m, (kernel, kernel), (side, side), groups=groups, bias=False)
    s.norm(m)


def resnet_features(s: Sheet, side: int, *, learned_norms: bool = True) -> None:
    """Bottlenecks: stem of 8 at half the side, stages of 16 and 32 with inner widths of 4 and 8, a pool between."""
    before = Sheet()
    convolved(before, COLOURS, 8, 7, side // 2)
    width = 8
    for stage, (out, inner) in enumerate(((16, 4), (32, 8))):
        small = side // 4 // 2**stage
        for block in range(2):
            entry = small if block or not stage else 2 * small  # the 3 × 3 convolution has the stride
            convolved(before, width, inner, 1, entry)
            convolved(before, inner, inner, 3, small)
            convolved(before, inner, out, 1, small)
            if width != out:
                convolved(before, width, out, 1, small)
            width = out
    norms = 2 * (8 + 2 * (2 * 4 + 16) + 16 + 2 * (2 * 8 + 32) + 32)
    s.parameters += before.parameters - (0 if learned_norms else norms)
    s.macs += before.macs


def resnet(s: Sheet) -> None:
    resnet_features(s, SIDE)
    s.dense(BATCH, 32, LABELS)


def convnext(s: Sheet) -> None:
    widths, side = (8, 16), SIDE // 4
    s.conv(COLOURS, widths[0], (4, 4), (side, side))
    s.norm(widths[0])
    for stage, width in enumerate(widths):
        if stage:
            s.norm(widths[stage - 1])
            side //= 2
            s.conv(widths[stage - 1], width, (2, 2), (side, side))
        for _ in range(2):
            s.conv(width, width, (7, 7), (side, side), groups=width)
            s.norm(width)
            s.dense(BATCH * side * side, width, 4 * width)
            s.dense(BATCH * side * side, 4 * width, width)
            s.learned(width)
    s.norm(widths[-1])
    s.dense(BATCH, widths[-1], LABELS)


MOBILE = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Table 2 of arXiv 1801.04381, below the first bottleneck: width, blocks, stride of the first; expansion by 6."""


def mobilenet(s: Sheet) -> None:
    side = SIDE // 2
    convolved(s, COLOURS, 32, 3, side)
    convolved(s, 32, 32, 3, side, groups=32)
    convolved(s, 32, 16, 1, side)
    width = 16
    for out, blocks, stride in MOBILE:
        for block in range(blocks):
            convolved(s, width, 6 * width, 1, side)
            side //= 1 if block else stride
            convolved(s, 6 * width, 6 * width, 3, side, groups=6 * width)
            convolved(s, 6 * width, out, 1, side)
            width = out
    convolved(s, width, 1_280, 1, side)
    s.dense(BATCH, 1_280, LABELS)


PATCHED = {
    "image_size": SIDE, "patch_size": PATCH, "hidden_size": D, "num_attention_heads": H, "num_hidden_layers": L,
    "intermediate_size": F, "num_labels": LABELS,
}  # fmt: skip
BEIT = PATCHED | {"use_relative_position_bias": True, "use_mean_pooling": True, "layer_scale_init_value": 0.1}
RESNET = {
    "embedding_size": 8, "hidden_sizes": [16, 32], "depths": [2, 2], "layer_type": "bottleneck", "num_labels": LABELS,
}  # fmt: skip
CONVNEXT = {"num_stages": 2, "hidden_sizes": [8, 16], "depths": [2, 2], "num_labels": LABELS, "image_size": SIDE}
IMAGES = (
    Case("vit", "ViTForImageClassification", "vit", PATCHED, INPUT, vit),
    Case("beit", "BeitForImageClassification", "beit", BEIT, INPUT, beit),
    Case("resnet", "ResNetForImageClassification", "resnet", RESNET, INPUT, resnet),
    Case("convnext", "ConvNextForImageClassification", "convnext", CONVNEXT, INPUT, convnext),
    Case(
        "mobilenet_v2", "MobileNetV2ForImageClassification", "mobilenet_v2",
        {"num_labels": LABELS, "image_size": SIDE}, INPUT, mobilenet,
    ),
)  # fmt: skip
