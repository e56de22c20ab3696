"""The small models that the onnx package ships, run against the outputs that it ships, or those of onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import nncost
from tests.onnx.models import SHIPPED, reference
from tests.onnx.official import PASSED, REFUSED, compared

FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")
MODELS = [path for folder in FOLDERS for path in sorted((SHIPPED / folder).glob("*/model.onnx"))]
UNKNOWN = {
    *(path.parent.name for path in MODELS if path.parent.name.startswith("test_strnorm")),
}  # fmt: skip
"""Text."""


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_outputs(path: Path) -> None:
    model = onnx.load(path)
    inputs, outputs = (_tensors(path, kind, getattr(model.graph, kind)) for kind in ("input", "output"))
    if not outputs:
        constants = {tensor.name for tensor in model.graph.initializer}
        names = [value.name for value in model.graph.input if value.name not in constants]
        outputs = reference(model, dict(zip(names, inputs, strict=True)))
    result = compared(model, path, inputs, outputs, rtol=1e-4, atol=1e-5)
    assert result.kind == (REFUSED if path.parent.name in UNKNOWN else PASSED), result
    assert nncost.count(str(path)).complete or path.parent.name in UNKNOWN | WITH_ARRAYS


WITH_ARRAYS = {f"test_expand_shape_model{number}" for number in range(1, 5)} | {
    f"test_sequence_model{number}" for number in range(1, 9)
}
"""Counted only with the arrays, which say what sizes there are."""


def _tensors(path: Path, kind: str, values: Any) -> list[Any]:
    files = sorted(
        (path.parent / "test_data_set_0").glob(f"{kind}_*.pb"), key=lambda file: int(file.stem.split("_")[1])
    )
    return [_read(file, value) for file, value in zip(files, values, strict=False)]


def _read(file: Path, value: Any) -> Any:
    if value.type.HasField("sequence_type"):
        sequence = onnx.SequenceProto()
        sequence.ParseFromString(file.read_bytes())
        return list(numpy_helper.to_list(sequence))
    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.read_bytes())
    return np.asarray(numpy_helper.to_array(tensor))
