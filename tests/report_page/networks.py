"""Networks whose pages are looked at: a real file, a deep one, and one whose names are hostile and whose operation is unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HOSTILE = "</script><img src=x onerror=alert(1)>"
GPT = (
    "128, embedding 1000 64, [residual[layernorm, attention heads=4 causal], residual[layernorm, dense 256, gelu, dense 64]]*6, "
    "layernorm, dense 1000"
)  # fmt: skip
RESNET = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"


def hostile_file(folder: Path) -> Path:
    """A file in whose names, of nodes, tensors, sizes, an unknown operation and itself, stands markup."""
    weight = numpy_helper.from_array(np.zeros((4, 3), "f4"), f"w{HOSTILE}")
    nodes = [
        helper.make_node("MatMul", ["x", weight.name], ["h"], name=f"layer.{HOSTILE}"),
        helper.make_node(f"Odd{HOSTILE}", ["h"], ["y"], name=f"odd.{HOSTILE}", domain="mine"),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [f"N{HOSTILE}", 4])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"N{HOSTILE}", 3])
    graph = helper.make_graph(nodes, f"g{HOSTILE}", [given], [made], [weight])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    path = folder / f"{HOSTILE.replace('/', '∕')}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def deep_file(folder: Path, layers: int) -> Path:
    """A file of that many layers, ten in each block."""
    weight = numpy_helper.from_array(np.zeros((4, 4), "f4"), "w")
    nodes = [
        helper.make_node(
            "MatMul", [f"h{number}", "w"], [f"h{number + 1}"], name=f"blocks.{number // 10}.layer{number % 10}"
        )
        for number in range(layers)
    ]
    given = helper.make_tensor_value_info("h0", TensorProto.FLOAT, [1, 4])
    made = helper.make_tensor_value_info(f"h{layers}", TensorProto.FLOAT, [1, 4])
    path = folder / "deep.onnx"
    graph = helper.make_graph(nodes, "deep", [given], [made], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path
