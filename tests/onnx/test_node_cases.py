"""ONNX's own cases of single operators: whatever is counted as complete and can run gives the values ONNX expects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases

import nncost
from nncost.errors import NncostError

OTHERWISE = {
    "test_bitwise_not_3d": "unsigned integers are counted, and run, as signed ones of the same width",
}
LEAST = 500


def cases() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from (case for case in collect_testcases(None) if case.model is not None and case.model.graph.node)


def run(path: str, case: Any) -> dict[str, Any] | None:
    """The outputs; None for what is unknown, refused, or can only be counted."""
    arrays, _ = case.data_sets[0]
    try:
        if not nncost.count(path).complete:
            return None
        return nncost.run(path, dict(zip((value.name for value in case.model.graph.input), arrays, strict=False)))
    except NncostError:
        return None


def differs(found: Any, expected: Any) -> bool:
    wanted = np.asarray(expected)
    if found.shape != wanted.shape:
        return True
    exact = found.dtype == bool or wanted.dtype == bool
    numbers = (found, wanted) if exact else (found.astype(np.float64), wanted.astype(np.float64))
    return not np.allclose(*numbers, rtol=2e-3, atol=1e-5, equal_nan=True)


@pytest.mark.filterwarnings("ignore")
def test_values_are_those_of_onnx(tmp_path: Path) -> None:
    path, right, wrong = str(tmp_path / "case.onnx"), 0, set()
    for case in cases():
        onnx.save(case.model, path)
        outputs = run(path, case)
        if outputs is None:
            continue
        expected = zip((value.name for value in case.model.graph.output), case.data_sets[0][1], strict=False)
        if any(name in outputs and differs(outputs[name], values) for name, values in expected):
            wrong.add(case.name)
        else:
            right += 1
    assert wrong == set(OTHERWISE)
    assert right >= LEAST
