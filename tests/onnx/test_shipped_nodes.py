"""The small models that the onnx package ships with inputs and outputs, run against those outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import nncost
from nncost.frontends.model import LoadOptions
from nncost.frontends.onnx.load import load
from nncost.ir import ops
from tests.onnx.models import SHIPPED, assert_close, reference, run, stored_constants

FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")
MODELS = [path for folder in FOLDERS for path in sorted((SHIPPED / folder).glob("*/model.onnx"))]
# Sequences of tensors, text, gradients as an operation: no lowering, so their totals say that they are incomplete.
UNKNOWN = {
    "test_expand_shape_model1", "test_expand_shape_model2", "test_expand_shape_model3", "test_expand_shape_model4",
    "test_gradient_of_add", "test_gradient_of_add_and_mul",
    *(f"test_sequence_model{number}" for number in range(1, 9)),
    *(path.parent.name for path in MODELS if path.parent.name.startswith("test_strnorm")),
}  # fmt: skip


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_outputs(path: Path) -> None:
    loaded = load(str(path), LoadOptions())
    unknown = [node.op.name for node in loaded.graph.nodes() if isinstance(node.op, ops.Opaque)]
    assert bool(unknown) == (path.parent.name in UNKNOWN), unknown
    assert nncost.count(str(path)).complete == (not unknown)
    if unknown:
        return
    model = onnx.load(path)
    constants = stored_constants(model)
    inputs = [_tensor(file) for file in sorted((path.parent / "test_data_set_0").glob("input_*.pb"))]
    names = [value.name for value in model.graph.input if value.name not in constants]
    outputs = [_tensor(file) for file in sorted((path.parent / "test_data_set_0").glob("output_*.pb"))]
    if not outputs:
        outputs = reference(model, dict(zip(names, inputs, strict=True)))
    with np.errstate(invalid="ignore"):  # Two of the models take roots of negative numbers.
        results = run(loaded, inputs, constants)
    for ours, theirs in zip(results, outputs, strict=True):
        assert_close(ours, theirs, 1e-4)


def _tensor(file: Path) -> np.ndarray:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.read_bytes())
    return numpy_helper.to_array(tensor)


def test_most_are_run() -> None:
    assert len(MODELS) - len(UNKNOWN) >= 115
