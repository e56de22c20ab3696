"""One decorated function for each PyTorch operator, a file for each family; importing this registers all."""

from nncost.frontends.torch.lowerings import (
    activations,
    attention,
    contractions,
    convolution,
    elementwise,
    fourier,
    grouped,
    indexing,
    linalg,
    losses,
    moves,
    normalization,
    pooling,
    recurrent,
    reductions,
)

__all__ = [
    "activations",
    "attention",
    "contractions",
    "convolution",
    "elementwise",
    "fourier",
    "grouped",
    "indexing",
    "linalg",
    "losses",
    "moves",
    "normalization",
    "pooling",
    "recurrent",
    "reductions",
]
