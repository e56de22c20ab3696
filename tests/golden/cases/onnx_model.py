"""Small ONNX files, and those that the onnx package ships."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Node = tuple[str, str, str, Mapping[str, Any]]
"""The operator, its operands and its results as one text each (``-`` leaves one out), and its attributes."""
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
OPSET = 21


def light(name: str) -> str:
    """A copy of an image network of ``onnx/backend/test/data/light`` in the working folder."""
    return shutil.copyfile(LIGHT / f"light_{name}.onnx", f"{name}.onnx")


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def saved_model(
    nodes: Sequence[Node],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = OPSET,
    outputs: Sequence[str] = ("y",),
    types: Mapping[str, int] | None = None,
) -> str:
    """Write ``model.onnx`` into the working folder and return its name."""
    made = [
        helper.make_node(op, ["" if name == "-" else name for name in given.split()], results.split(), **attributes)
        for op, given, results, attributes in nodes
    ]
    shapes = [helper.make_tensor_value_info(n, (types or {}).get(n, TensorProto.FLOAT), s) for n, s in inputs.items()]
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(made, "golden", shapes, results, stored)
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.example", 1)]
    Path("model.onnx").write_bytes(helper.make_model(graph, opset_imports=domains, ir_version=10).SerializeToString())
    return "model.onnx"
