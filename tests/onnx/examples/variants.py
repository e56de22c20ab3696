"""Examples of linear attention, attention with functions of the file, causal convolutions with a state, gated units."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

from tests.onnx.examples.example import Example, weights
from tests.onnx.models import node

TEXT = {"q": (2, 3, 16), "k": (2, 3, 8), "v": (2, 3, 10)}
STATE = {"p": (2, 2, 4, 5)}


def linear(inputs: str, rule: str, shapes: Any, **attributes: Any) -> Example:
    """Four heads of queries that share two states of 4 rows and 5 columns."""
    made = node("LinearAttention", inputs, "y z", update_rule=rule, q_num_heads=4, kv_num_heads=2, **attributes)
    return Example(f"LinearAttention({rule},{shapes})", [made], TEXT | shapes, {}, 27, ("y", "z"), reference="onnx")


LINEAR = [
    linear("q k v", "linear", {}), linear("q k v p", "linear", STATE, scale=0.7),
    linear("q k v - d", "gated", {"d": (2, 3, 2)}), linear("q k v p d", "gated", STATE | {"d": (2, 3, 8)}),
    linear("q k v - - r", "delta", {"r": (2, 3, 2)}), linear("q k v p d r", "gated_delta", STATE | {"d": (2, 3, 2), "r": (2, 3, 1)}),
]  # fmt: skip
KERNEL = {"w": weights(3, 1, 4), "b": weights(3)}


def causal(inputs: str, shapes: Any, **attributes: Any) -> Example:
    made = node("CausalConvWithState", inputs, "y z", **attributes)
    return Example(
        f"CausalConvWithState({inputs},{attributes})", [made], shapes, KERNEL, 27, ("y", "z"), reference="onnx"
    )


CAUSAL = [
    causal("x w", {"x": (2, 3, 5)}), causal("x w b", {"x": (2, 3, 2)}, activation="silu"),
    causal("x w - p", {"x": (2, 3, 1), "p": (2, 3, 3)}, activation="swish"),
]  # fmt: skip


def body(op: str, *operands: str) -> Any:
    """A graph of one node on scores."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 4, 3, 5)) for name in ("s", "t")]
    nodes = [helper.make_node("Constant", [], ["c"], value_float=0.5), helper.make_node(op, ["s", *operands], ["t"])]
    return helper.make_graph(nodes, "body", value[:1], value[1:])


def flexible(**attributes: Any) -> Example:
    made = node("FlexAttention", "q k v", domain="ai.onnx.preview", **attributes)
    shapes = {"q": (2, 4, 3, 6), "k": (2, 2, 5, 6), "v": (2, 2, 5, 8)}
    return Example(f"FlexAttention({','.join(attributes)})", [made], shapes, {}, 25, reference="onnx")


FLEXIBLE = [
    flexible(),
    flexible(scale=0.3, score_mod=body("Tanh")),
    flexible(prob_mod=body("Mul", "c"), score_mod=body("Add", "c")),
]
GATED = [
    Example("Swish", [node("Swish", "x")], {"x": (2, 3)}, {}, 24, reference="onnx"),
    Example("Swish(alpha)", [node("Swish", "x", alpha=1.5)], {"x": (2, 3)}, {}, 24, reference="onnx"),
    *(Example(f"SwiGLU({alpha})", [node("SwiGLU", "x z", alpha=alpha)], {"x": (2, 3), "z": (2, 3)}, {}, 28, reference="onnx") for alpha in (1.0, 2.0)),
]  # fmt: skip
EXAMPLES = [*LINEAR, *CAUSAL, *FLEXIBLE, *GATED]
