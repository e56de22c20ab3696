"""Examples of onnxruntime's own operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import Example, ints, weights
from tests.onnx.models import node

X, TEXT = (2, 3, 8), (2, 3)
VECTOR = {"b": weights(8), "g": weights(8), "o": weights(8)}


def fused(op: str, inputs: str, constants: Any = None, *, outputs: str = "y", shapes: Any = None, types: Any = None, domain: str = "com.microsoft", compute: Any = None, **attributes: Any) -> Example:  # fmt: skip
    """One node of the domain on ``x`` (2, 3, 8)."""
    made = node(op, inputs, outputs, domain=domain, **attributes)
    names = tuple(name for name in outputs.split() if name != "-")
    label = f"{op}({inputs},{outputs},{attributes})"
    return Example(label, [made], shapes or {"x": X}, constants or {}, 17, names, types or {}, compute=compute)


def plus_bias(x: np.ndarray) -> np.ndarray:
    return x + VECTOR["b"].astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def heads(x: np.ndarray) -> np.ndarray:
    """(B, T, 8) as (B, T, 2, 4)."""
    return x.reshape(*x.shape[:2], 2, 4)


def attended(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Operands (B, T, 2, 4)."""
    scores = np.einsum("bthe,bshe->bhts", query, key) / np.float32(2)
    return np.einsum("bhts,bshe->bthe", softmax(scores), value).reshape(*query.shape[:2], 8)


SMALL = [
    fused("Gelu", "x"), fused("BiasGelu", "x b", VECTOR), fused("FastGelu", "x"), fused("FastGelu", "x b", VECTOR),
    fused("QuickGelu", "x"), fused("QuickGelu", "x", alpha=1.0),
    fused("BiasDropout", "x b z", VECTOR, shapes={"x": X, "z": X}, compute=lambda x, z: [plus_bias(x) + z]),
    fused("BiasAdd", "x b z", VECTOR, shapes={"x": X, "z": X}, compute=lambda x, z: [plus_bias(x) + z]),
    fused("BiasSoftmax", "x b", VECTOR, compute=lambda x: [softmax(plus_bias(x))], axis=2),
    fused("SkipLayerNormalization", "x z g o b", VECTOR, shapes={"x": X, "z": X}), fused("SkipLayerNormalization", "x z g", VECTOR, outputs="y - - s", shapes={"x": X, "z": (3, 8)}),
    fused("SkipSimplifiedLayerNormalization", "x z g b", VECTOR, outputs="y - - s", shapes={"x": X, "z": X}, epsilon=1e-5),
    fused("SimplifiedLayerNormalization", "x g", VECTOR, domain=""), fused("SimplifiedLayerNormalization", "x g", VECTOR, domain="", outputs="y d"),
]  # fmt: skip
TABLES = {"w": weights(7, 8), "p": weights(5, 8), "s": weights(2, 8), "g": weights(8), "o": weights(8)}
INT32 = dict.fromkeys(("t", "q", "m"), TensorProto.INT32)
EMBEDDINGS = [
    fused("EmbedLayerNormalization", "t - w p - g o", TABLES, outputs="y n", shapes={"t": TEXT}, types=INT32),
    fused("EmbedLayerNormalization", "t q w p s g o m", TABLES, outputs="y n e", shapes={"t": TEXT, "q": TEXT, "m": TEXT}, types=INT32),
]  # fmt: skip
PROJECTION = {"w": weights(8, 24), "b": weights(24), "m": np.array([[1, 1, 0], [1, 0, 1]], dtype=np.int32)}
ATTENTION = [
    fused("Attention", "x w b", PROJECTION, num_heads=2), fused("Attention", "x w b m", PROJECTION, num_heads=2, unidirectional=1, scale=0.3),
    fused("Attention", "x w b m", PROJECTION | {"m": np.array([2, 3], dtype=np.int32)}, num_heads=4),
    fused("Attention", "x w b m", PROJECTION | {"m": np.array([2, 3, 0, 1], dtype=np.int32)}, num_heads=4),
    fused("Attention", "x w b - c", PROJECTION, outputs="y p", shapes={"x": X, "c": (2, 2, 2, 3, 4)}, num_heads=2, unidirectional=1),
    fused("Attention", "x w b - - a", {"w": weights(8, 20), "b": weights(20), "a": weights(1, 2, 3, 3)}, num_heads=2, qkv_hidden_sizes=[8, 8, 4]),
    fused("MultiHeadAttention", "x k v", outputs="y p r", shapes={"x": X, "k": (2, 5, 8), "v": (2, 5, 8)}, num_heads=2),
    fused("MultiHeadAttention", "x k v b m", {"b": weights(24), "m": np.array([[1, 1, 0, 1, 1], [1, 0, 1, 0, 0]], dtype=np.int32)},
          shapes={"x": X, "k": (2, 5, 8), "v": (2, 5, 8)}, num_heads=2),
    fused("MultiHeadAttention", "x k", shapes={"x": X, "k": (2, 5, 2, 2, 4)}, num_heads=2, compute=lambda x, k: [attended(heads(x), k[:, :, :, 0], k[:, :, :, 1])]),
    fused("MultiHeadAttention", "x", shapes={"x": (2, 3, 2, 3, 4)}, num_heads=2, compute=lambda x: [attended(x[:, :, :, 0], x[:, :, :, 1], x[:, :, :, 2])]),
    fused("MultiHeadAttention", "x k v - - - j u", outputs="y p r", shapes={"x": X, "k": X, "v": X, "j": (2, 2, 4, 4), "u": (2, 2, 4, 4)}, num_heads=2, unidirectional=1),
    fused("MultiHeadAttention", "x k v - - a", {"a": weights(2, 1, 3, 5)}, shapes={"x": X, "k": (2, 2, 5, 4), "v": (2, 2, 5, 4)}, num_heads=2),
]  # fmt: skip
ROTATIONS = {"c": weights(9, 2), "s": weights(9, 2)}
ROTARY = [
    fused("RotaryEmbedding", "x i0 c s", ROTATIONS, shapes={"x": X, "i0": TEXT}), fused("RotaryEmbedding", "x n c s", ROTATIONS | {"n": ints(4)}, interleaved=1),
    fused("RotaryEmbedding", "x i0 c s", ROTATIONS, shapes={"x": (2, 2, 3, 4), "i0": TEXT}),
]  # fmt: skip
CACHE = {"q": (1, 2, 32), "k": (1, 2, 16), "v": (1, 2, 16), "j": (1, 1, 3, 16), "u": (1, 1, 3, 16)}
TURNS = {
    "c": weights(9, 8),
    "s": weights(9, 8),
    "n": np.array([4], dtype=np.int32),
    "t": np.array(5, dtype=np.int32),
    "h": weights(2),
}
GROUPED = [
    fused("GroupQueryAttention", "q k v j u n t c s - - h", TURNS, outputs="y p r", shapes=CACHE, num_heads=2, kv_num_heads=1, do_rotary=1, softcap=0.5),
    fused("GroupQueryAttention", "q - - - - n t", TURNS | {"n": np.array([1], dtype=np.int32), "t": np.array(2, dtype=np.int32)},
          shapes={"q": (1, 2, 64)}, num_heads=2, kv_num_heads=1, local_window_size=1, smooth_softmax=1),
]  # fmt: skip
ROUTED = {"x": (5, 8), "p": (5, 3)}


def experts(inputs: str, rows: int = 6, **attributes: Any) -> Example:
    """Three experts of 8 features and 6 hidden units."""
    matrices = {"a": weights(3, rows, 8) - 0.5, "c": weights(3, rows), "d": weights(3, 8, 6) - 0.5, "e": weights(3, 8)}
    return fused("MoE", inputs, matrices, shapes=ROUTED, **attributes)


MIXTURES = [
    experts("x p a c d e", k=2), experts("x p a - d", k=1, activation_type="silu"),
    experts("x p a c d e", k=2, normalize_routing_weights=1, activation_type="identity"),
    experts("x p a c d e", 12, k=2, activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.7, activation_beta=1.0, swiglu_limit=0.5),
]  # fmt: skip
EXAMPLES = [*MIXTURES, *GROUPED, *SMALL, *EMBEDDINGS, *ATTENTION, *ROTARY]
