"""Examples of attention in its forms, and of what stands around it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.onnx.examples.example import Example, weights
from tests.onnx.models import node

QKV = {"q": (2, 4, 3, 6), "k": (2, 2, 5, 6), "v": (2, 2, 5, 8)}
FLAT = {"q": (2, 3, 24), "k": (2, 5, 12), "v": (2, 5, 16)}
PAST = {"j": (2, 2, 2, 6), "u": (2, 2, 2, 8)}
MASK = np.array([[True, False, True, True, False]] * 3)


def attention(inputs: str, outputs: str = "y", shapes: Any = QKV, constants: Any = None, opset: int = 24, **attributes: Any) -> Example:  # fmt: skip
    """One node against ONNX's own evaluator."""
    made = node("Attention", inputs, outputs, **attributes)
    names = tuple(name for name in outputs.split() if name != "-")
    label = f"Attention({inputs},{outputs},{opset},{attributes})"
    return Example(label, [made], shapes, constants or {}, opset, names, reference="onnx")


ATTENTION = [
    attention("q k v"), attention("q k v", is_causal=1), attention("q k v", scale=0.3, softcap=0.5, opset=23),
    attention("q k v m", constants={"m": weights(3, 5)}), attention("q k v m", constants={"m": MASK}),
    attention("q k v m", constants={"m": weights(4, 1, 1)}), attention("q k v m", constants={"m": MASK[:, :3]}, is_causal=1),
    attention("q k v m", constants={"m": MASK & False}), attention("q k v", softmax_precision=11),
    attention("q k v", shapes=FLAT, q_num_heads=4, kv_num_heads=2),
    attention("q k v - j u", "y z w", shapes=QKV | PAST, is_causal=1),
    attention("q k v - - - n", constants={"n": np.array([4, 2])}, is_causal=1), attention("q k v - - - n", constants={"n": np.array([0, 5])}),
    *(attention("q k v m", "y - - s", constants={"m": weights(3, 5)}, softcap=2.0, qk_matmul_output_mode=mode) for mode in (1, 2, 3)),
    attention("q k v", "y - - s"), attention("q k v", left_window_size=1, right_window_size=1, opset=25),
    attention("q k v", left_window_size=1, is_causal=1, opset=25),
]  # fmt: skip
TABLES = {"c": weights(7, 3), "s": weights(7, 3)}
ROTARY = [
    Example("RotaryEmbedding", [node("RotaryEmbedding", "x c s i0")], {"x": (2, 4, 5, 6), "i0": (2, 5)}, TABLES, 23),
    Example("RotaryEmbedding(3-D)", [node("RotaryEmbedding", "x c s i0", num_heads=2, interleaved=1)],
            {"x": (2, 5, 12), "i0": (2, 5)}, TABLES, 23),
    Example("RotaryEmbedding(part)", [node("RotaryEmbedding", "x c s", rotary_embedding_dim=4)], {"x": (2, 4, 5, 6)},
            {"c": weights(2, 5, 2), "s": weights(2, 5, 2)}, 23),
]  # fmt: skip
EXAMPLES = [*ATTENTION, *ROTARY]
