"""ONNX's own cases of single operators: what can run gives the outputs ONNX expects, the rest is refused with a reason."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest

from tests.onnx.case_table import FILE, operators, outcomes, table
from tests.onnx.official import PASSED, REFUSED, Outcome, node_cases

LEAST = 1840
DRAWN = ("test_bernoulli",)
"""Cases whose outputs are what a library of its own drew."""
NEVER = ("is None", "Traceback", "object at 0x")
"""What a reason never says."""


@pytest.fixture(scope="module")
def found() -> dict[str, Outcome]:
    return outcomes(node_cases())


def test_every_case_passes_or_is_refused_with_a_reason(found: dict[str, Outcome]) -> None:
    for name, result in found.items():
        if name.startswith(DRAWN):
            continue
        assert result.kind in (PASSED, REFUSED), f"{name} {result}"
        assert result.kind == PASSED or (result.reason and not any(text in result.reason for text in NEVER))
    assert Counter(result.kind for result in found.values())[PASSED] >= LEAST


def test_the_documented_numbers_are_current(found: dict[str, Outcome]) -> None:
    """Those of docs/coverage-onnx.md: ``python -m tests.onnx.case_table`` writes them."""
    kept = FILE.read_text(encoding="utf-8")
    if not kept.startswith(f"# onnx {onnx.__version__}:"):
        pytest.skip("another onnx is installed")
    assert kept == table(operators(node_cases()), found)
