"""One decorated function per ONNX operation, a file per family; importing this package registers them all."""

from nncost.frontends.onnx.lowerings import (
    activations,
    constants,
    convolution,
    dense,
    elementwise,
    indexing,
    moves,
    normalization,
    pooling,
    recurrent,
    reductions,
    shapes,
)

__all__ = [
    "activations",
    "constants",
    "convolution",
    "dense",
    "elementwise",
    "indexing",
    "moves",
    "normalization",
    "pooling",
    "recurrent",
    "reductions",
    "shapes",
]
