"""ONNX's own cases, run as the official runner runs them: outputs of the same types, shapes and values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

import nncost
from nncost.errors import NncostError

PASSED, REFUSED, WRONG, LOST = "passed", "refused", "wrong", "lost"
RTOL, ATOL = 1e-3, 1e-7
"""The official runner's tolerances, where a case names none."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case, and why."""

    kind: str
    reason: str = ""


def node_cases() -> Iterator[Any]:
    """The cases of single operators, with their models and data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from (case for case in collect_testcases(None) if case.model is not None)


def outcome(case: Any, path: Path) -> Outcome:
    """Run a case, whose model is written to ``path``."""
    onnx.save(case.model, path)
    found = Outcome(REFUSED, "no data")
    for inputs, outputs in case.data_sets:
        found = compared(case.model, path, inputs, outputs, case.rtol, case.atol)
        if found.kind != PASSED:
            break
    return found


def compared(
    model: Any, path: Path, inputs: Sequence[Any], outputs: Sequence[Any], rtol: float = RTOL, atol: float = ATOL
) -> Outcome:
    """Run a model on these inputs and compare what it gives with these outputs."""
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in constants]
    try:
        with np.errstate(all="ignore"):
            ours = nncost.run(str(path), dict(zip(names, map(plain, inputs), strict=False)))
    except NncostError as error:
        return Outcome(REFUSED, error.message)
    return _same_outputs(model, ours, outputs, rtol, atol)


def _same_outputs(model: Any, ours: Mapping[str, Any], outputs: Sequence[Any], rtol: float, atol: float) -> Outcome:
    for value, expected in zip(model.graph.output, outputs, strict=False):
        if value.name not in ours:
            return Outcome(LOST, value.name)
        difference = differs(plain(expected), ours[value.name], rtol, atol)
        if difference:
            return Outcome(WRONG, f"{value.name}: {difference}")
    return Outcome(PASSED)


def plain(value: Any) -> Any:
    """Protocol buffers as arrays, in lists too."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def differs(expected: Any, found: Any, rtol: float, atol: float) -> str:
    """How an output differs from what is expected; empty if it does not."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return "a sequence of another length"
        return next(filter(None, (differs(a, b, rtol, atol) for a, b in zip(expected, found, strict=True))), "")
    if expected is None or found is None:
        return "" if expected is found else "an optional without an element"
    wanted, ours = np.asarray(expected), np.asarray(found)
    if wanted.dtype != ours.dtype or wanted.shape != ours.shape:
        return f"{wanted.dtype}{wanted.shape} became {ours.dtype}{ours.shape}"
    try:
        np.testing.assert_allclose(_wide(ours), _wide(wanted), rtol=rtol, atol=atol)
    except AssertionError as error:
        return re.sub(r"\s+", " ", str(error))[:150]
    return ""


def _wide(array: np.ndarray) -> np.ndarray:
    """Numbers that NumPy can compare: those of types it does not have, in double precision."""
    return array.astype(np.float64) if array.dtype.kind == "V" else array
