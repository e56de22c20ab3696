"""Symbol = number: the formula of each quantity of memory, evaluated at points, is the number there."""

from __future__ import annotations

from typing import Any

import pytest
import sympy

import nncost
from nncost.counting.memory.memory import AMOUNTS
from tests.symbols.substitution import at as value_at
from tests.symbols.test_substitution import BATCHES, SPECS

FEWEST = 4
"""Loops shorter than this are written out in numbers, and take less."""


def at(formula: Any, values: dict[str, int]) -> int:
    """The value; the largest of formulas is that of their values."""
    if isinstance(formula, sympy.Max):
        return max(value_at(part, values) for part in formula.args)
    return value_at(formula, values)


def is_long(spec: str, point: dict[str, int]) -> bool:
    loops = [name for name in ("L", "M") if name in point]
    loops += ["t"] if any(kind in spec for kind in ("rnn", "lstm", "gru")) else []
    return all(point[name] >= FEWEST for name in loops)


@pytest.mark.parametrize(("spec", "points"), SPECS, ids=[spec for spec, _ in SPECS])
@pytest.mark.parametrize("loss", ["squared_error", "none"])
def test_formula_equals_number(spec: str, points: list[dict[str, int]], loss: str) -> None:
    formulas = nncost.count(spec, batch="B", loss=loss).memory
    for number, point in enumerate(points):
        batch = BATCHES[number % len(BATCHES)]
        values = {**point, "B": batch}
        numbers = nncost.count(spec, batch=batch, symbols=point, loss=loss).memory
        for name in AMOUNTS:
            formula, amount = getattr(formulas, name), getattr(numbers, name)
            if formula is not None and (is_long(spec, point) or ("allocated" not in name and "peak" not in name)):
                assert at(formula, values) == amount, (name, values, formula)
        if formulas.step_peak_at is not None and is_long(spec, point):
            assert formulas.step_peak_at == numbers.step_peak_at
