"""Every lowered operation of ONNX, forward and in a step, against the interpreter that allocates."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import nncost
from nncost.pipeline.count import count_source
from nncost.pipeline.keywords import settings_of
from tests.memory.interpreter import Interpreter
from tests.onnx.examples import EXAMPLES, Example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_operation_takes_what_the_interpreter_takes(example: Example, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(example.model(), path)
    counted = count_source(str(path), settings_of())
    interpreter = Interpreter(counted.step)
    interpreter.run()
    memory = nncost.count(path).memory
    assert (memory.forward_allocated, memory.step_allocated) == interpreter.peaks()


def test_the_largest_batch_of_a_file(tmp_path: Path) -> None:
    from tests.onnx.examples import weights
    from tests.onnx.models import make_model, node

    path = tmp_path / "model.onnx"
    nodes = [node("Gemm", "x w b", "h", transB=1), node("Relu", "h", "y")]
    constants = {"w": weights(8, 4), "b": weights(8)}
    onnx.save(make_model(nodes, {"x": (1, 4)}, constants=constants), path)
    fit = nncost.count(path, fits="1MiB", loss="squared_error", optimizer="sgd").memory.fits
    assert fit is not None
    settings = {"loss": "squared_error", "optimizer": "sgd"}
    assert nncost.count(path, batch=fit.batch, **settings).memory.step_peak <= 2**20
    assert nncost.count(path, batch=fit.batch + 1, **settings).memory.step_peak > 2**20
