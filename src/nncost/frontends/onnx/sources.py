"""What makes a value, which decides whether the constants added to it or multiplied with it are learned."""

from __future__ import annotations

from collections.abc import Mapping

LAYER, SCORES, NORMAL, DEVIATION = "layer", "scores", "normal", "deviation"
"""A learned layer, a product of two activations, a norm or a division by a deviation, a deviation."""

SOURCES: Mapping[str, str] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "DeformConv"), LAYER),
    **dict.fromkeys(
        (
            "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
            "MeanVarianceNormalization", "LpNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization",
        ),
        NORMAL,
    ),
}  # fmt: skip
"""Of operations that always make the same kind of value."""
