"""Models for tests: those that the onnx package ships, and small ones made on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.onnx.load import load
from nncost.ir.execute import execute

SHIPPED = Path(onnx.__file__).parent / "backend/test/data"
LIGHT = SHIPPED / "light"
OPSET = 21


def light(name: str) -> Path:
    """One of the nine image networks in ``onnx/backend/test/data/light``."""
    return LIGHT / f"light_{name}.onnx"


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    *,
    constants: Mapping[str, Any] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = OPSET,
    types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model from nodes, input shapes and constant arrays."""
    given = [helper.make_tensor_value_info(n, (types or {}).get(n, TensorProto.FLOAT), s) for n, s in inputs.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}
    initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(list(nodes), "test", given, results, initializers)
    domains = sorted({each.domain for each in nodes} - {""})
    versions = [
        (domain, newest_version(domain, [n.op_type for n in nodes if n.domain == domain])) for domain in domains
    ]
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(*each) for each in versions)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def newest_version(domain: str, operators: Sequence[str]) -> int:
    """The newest version of a domain that still has these operators; one for a domain that the onnx package lacks."""
    schemas = [schema for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == domain]
    gone = [schema.since_version - 1 for schema in schemas if schema.deprecated and schema.name in operators]
    return min([*gone, max((schema.since_version for schema in schemas), default=1)])


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node whose operands are named in one text; ``-`` leaves an optional one out."""
    given, made = (["" if name == "-" else name for name in names.split()] for names in (inputs, outputs))
    return helper.make_node(op, given, made, **attributes)


def saved(model: onnx.ModelProto, folder: Path) -> str:
    """The path of the model in a file."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def loaded(model: onnx.ModelProto, folder: Path, **options: Any) -> Model:
    """The model as nncost reads it."""
    return load(saved(model, folder), LoadOptions(**options))


def run(model: Model, inputs: Sequence[np.ndarray], constants: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of our graph; parameters are fed by their names in the file."""
    feeds = {t: np.asarray(a) for t, a in zip(model.graph.inputs, inputs, strict=True)}
    feeds |= {p.tensor: np.asarray(constants[p.tensor.name]) for p in model.graph.parameters}
    values = execute(model.graph, feeds, dtype="float32")
    return [np.asarray(values[tensor]) for tensor in model.graph.outputs]


def reference(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of onnxruntime."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


def evaluated(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of the evaluator that defines the standard, for what onnxruntime lacks."""
    return [np.asarray(each) for each in ReferenceEvaluator(model).run(None, dict(feeds))]


def stored_constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The arrays of initializers and Constant nodes by name."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for each in model.graph.node:
        if each.op_type == "Constant" and each.attribute[0].type == onnx.AttributeProto.TENSOR:
            arrays[each.output[0]] = numpy_helper.to_array(each.attribute[0].t)
    return arrays


def assert_close(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-3) -> None:
    """The same shape, and differences small against the largest number."""
    assert ours.shape == theirs.shape
    if theirs.dtype.kind in "iub":
        np.testing.assert_array_equal(ours, theirs)
    elif theirs.size:
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(np.nanmax(np.abs(theirs))))
