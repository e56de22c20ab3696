"""Closed forms in four notations; the Python one runs on integers, on giants and on columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

import nncost
from nncost.errors import NncostError

SPECS = [
    ("784-h-h-10", {"h": 16}),
    ("784-h*L-10", {"h": 16, "L": 3}),
    ("3xHxW, conv 16 3x3 stride=2 pad=1, relu, maxpool 2, flatten, dense 10", {"H": 17, "W": 30}),
    ("4xN, conv C 3 pad=same stride=1, avgpool 2, flatten, dense 5", {"N": 12, "C": 6}),
    ("Txd, attention heads=2 causal, layernorm", {"T": 5, "d": 8}),
    ("Tx4, lstm h bidirectional last, dense 3", {"T": 6, "h": 5}),
]
QUANTITIES = ["parameters.total", "forward.mul", "backward.mul", "backward.add", "step.flops"]


def compiled(source: str) -> Any:
    names: dict[str, Any] = {}
    exec(source, names)
    return next(value for name, value in names.items() if callable(value) and name != "__builtins__")


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(("spec", "sizes"), SPECS)
def test_python_notation_equals_the_number(spec: str, sizes: dict[str, int], quantity: str) -> None:
    formula = nncost.formula(spec, quantity, batch="B", at={})
    arguments = {name: (sizes | {"B": 7})[name] for name in formula.symbols}
    number = nncost.count(spec, batch=7, symbols=sizes).quantity(quantity)
    function = compiled(formula.python())
    assert function(**arguments) == number
    columns = {name: np.array([value, value], dtype=np.int64) for name, value in arguments.items()}
    assert list(np.broadcast_to(function(**columns), 2)) == [number, number]


def test_python_notation_is_exact_beyond_floats() -> None:
    width = 10**40 + 1
    function = compiled(nncost.formula("784-h-h-10", "parameters.total").python())
    assert function(h=width) == nncost.count("784-h-h-10", symbols={"h": width}).parameters.total


def test_families_in_python() -> None:
    function = compiled(nncost.formula("h0-h1-...-hl", "parameters").python())
    assert function(l=3, h=[784, 16, 16, 10]) == 13_002


def test_value_factored_and_leading_term() -> None:
    formula = nncost.formula("784-h*L-10", "parameters.total", at={"h": 16, "L": 2})
    assert formula.value == 13_002
    h, big_l = (sympy.Symbol(name, integer=True, positive=True) for name in "hL")
    assert sympy.expand(formula.factored - formula.expanded) == 0
    assert formula.leading == big_l * h**2
    assert formula.symbols == ("L", "h")


def test_partial_values_stay_formulas() -> None:
    formula = nncost.formula("784-h*L-10", at={"h": 16})
    assert str(formula.value) == "272*L + 12458"


def test_latex_and_mathml() -> None:
    formula = nncost.formula("784-h-10", "forward.mul", batch="B")
    assert formula.latex() == r"794 \cdot B \cdot h"
    assert formula.mathml().startswith('<math xmlns="http://www.w3.org/1998/Math/MathML">')
    assert "<mn>794</mn>" in formula.mathml()


def test_numbers_have_no_symbols() -> None:
    formula = nncost.formula("784-16-16-10")
    assert (formula.expanded, formula.symbols) == (13_002, ())
    with pytest.raises(NncostError, match="no symbol 'h'"):
        nncost.formula("784-16-16-10", at={"h": 3})
