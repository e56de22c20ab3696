"""ONNX's own cases of single operators: what can run gives the outputs ONNX expects, the rest is refused with a reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.onnx.official import PASSED, REFUSED, node_cases, outcome

LEAST = 1840
DRAWN = ("test_bernoulli",)
"""Cases whose outputs are what a library of its own drew."""
NEVER = ("is None", "Traceback", "object at 0x")
"""What a reason never says."""


@pytest.mark.filterwarnings("ignore")
def test_every_case_passes_or_is_refused_with_a_reason(tmp_path: Path) -> None:
    path, found = tmp_path / "case.onnx", Counter[str]()
    for case in node_cases():
        if case.name.startswith(DRAWN):
            continue
        result = outcome(case, path)
        assert result.kind in (PASSED, REFUSED), f"{case.name} {result}"
        assert result.kind == PASSED or (result.reason and not any(text in result.reason for text in NEVER))
        found[result.kind] += 1
    assert found[PASSED] >= LEAST
