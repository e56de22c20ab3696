"""One decorated function for each ONNX operation, a file for each family; importing this registers all."""

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
