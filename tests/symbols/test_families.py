"""Whole families of widths: ``h0-h1-...-hl`` for any number of layers is one Sum."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import sympy

import nncost
from nncost.dims import tidy
from tests.symbols.substitution import amounts, at, parsed

Values = Mapping[str, int]


def test_written_out_widths() -> None:
    report = nncost.count("h0-h1-h2-h3", batch="B")
    text = report.to_dict()["parameters"]["total"]
    assert sympy.expand(parsed(text) - parsed("h0*h1 + h1*h2 + h2*h3 + h1 + h2 + h3")) == 0
    totals = report.to_dict()["totals"]
    assert parsed(totals["forward"]["mul"]) == parsed("B*h0*h1 + B*h1*h2 + B*h2*h3")
    # Layer 1 has no input gradient: one contraction there, two in each other layer.
    assert parsed(totals["backward"]["macs"]) == parsed("B*h0*h1 + 2*B*h1*h2 + 2*B*h2*h3")


def test_open_family() -> None:
    report = nncost.count("h0-h1-...-hl")
    h, k, last = sympy.IndexedBase("h", integer=True, positive=True), *sympy.symbols("k l", integer=True, positive=True)
    assert sympy.simplify(tidy(report.parameters.total) - sympy.Sum(h[k - 1] * h[k] + h[k], (k, 1, last))) == 0
    assert report.to_dict()["parameters"]["total"] == "Sum(h[k - 1]*h[k] + h[k], (k, 1, l))"


FAMILIES: list[tuple[str, Values]] = [
    ("h0-h1-...-hl", {"l": 3, "h0": 784, "h1": 16, "h2": 5, "h3": 10}),
    ("h0-h1-...-hl", {"l": 2, "h0": 2, "h1": 1, "h2": 5}),
    ("h0-h1-...-hl", {"l": 6, "h0": 3, "h1": 4, "h2": 1, "h3": 10, "h4": 2, "h5": 5, "h6": 7}),
    ("784-h1-...-hn-10", {"n": 4, "h1": 16, "h2": 5, "h3": 10, "h4": 2}),
    ("784-h1-...-hn-10", {"n": 2, "h1": 1, "h2": 10}),
    ("3x32x32-h1:relu-...-hn:tanh-10:softmax", {"n": 3, "h1": 16, "h2": 5, "h3": 10}),
    ("a-b-h1-...-hn", {"n": 3, "a": 7, "b": 3, "h1": 16, "h2": 5, "h3": 10}),
    ("h0-h1-...-hl-c", {"l": 3, "h0": 5, "h1": 2, "h2": 4, "h3": 3, "c": 6}),
    ("a-h2-...-hm-c", {"m": 4, "a": 5, "h2": 2, "h3": 4, "h4": 3, "c": 6}),
]


@pytest.mark.parametrize(("spec", "values"), FAMILIES, ids=[f"{spec} {values}" for spec, values in FAMILIES])
@pytest.mark.parametrize("loss", ["squared_error", "none"])
def test_family_formula_equals_number(spec: str, values: Values, loss: str) -> None:
    loss = "cross_entropy" if "softmax" in spec and loss != "none" else loss
    formulas, numbers = (
        amounts(nncost.count(spec, batch="B", loss=loss)),
        amounts(nncost.count(spec, batch=3, symbols=dict(values), loss=loss)),
    )
    at_values = {**values, "B": 3}
    wrong = {
        key: (at(formulas.get(key, 0), at_values), numbers.get(key, 0))
        for key in {**formulas, **numbers}
        if at(formulas.get(key, 0), at_values) != numbers.get(key, 0)
    }
    assert not wrong


@pytest.mark.parametrize(("spec", "values"), FAMILIES[:4], ids=[str(values) for _, values in FAMILIES[:4]])
def test_tidy_formulas_are_equal_ones(spec: str, values: Values) -> None:
    """What the report prints, read back from its text, gives the same numbers."""
    totals, numbers = (
        nncost.count(spec, batch="B").to_dict()["totals"],
        nncost.count(spec, batch=2, symbols=dict(values)).totals,
    )
    for phase, quantities in totals.items():
        for quantity, text in quantities.items():
            value = text if isinstance(text, int) else at(parsed(text), {**values, "B": 2})
            assert value == numbers[phase][quantity], (phase, quantity, text)


def test_a_family_with_a_number_for_its_end() -> None:
    assert amounts(nncost.count("784-h1-...-h3-10")) == amounts(nncost.count("784-h1-h2-h3-10"))


@pytest.mark.parametrize(
    ("spec", "total"),
    [
        ("784-h*L-10", "784*h + h + (L-1)*(h*h + h) + 10*h + 10"),
        ("784-h-h-10", "784*h + h*h + 10*h + 2*h + 10"),
        ("784-h1-...-hn-10", "784*h[1] + h[1] + Sum(h[k-1]*h[k] + h[k], (k, 2, n)) + 10*h[n] + 10"),
        ("32x32-h-10", "1024*h + h + 10*h + 10"),
        ("n-n", "n*n + n"),
    ],
)
def test_parameter_formula(spec: str, total: str) -> None:
    assert sympy.simplify(parsed(nncost.count(spec).to_dict()["parameters"]["total"]) - parsed(total)) == 0


@pytest.mark.parametrize("name", ["k", "i", "B"])
def test_a_batch_of_any_name_is_not_the_index(name: str) -> None:
    found = nncost.count("h0-h1-...-hl", batch=name, loss="none", optimizer="none").forward.mul
    one = nncost.count("h0-h1-...-hl", loss="none", optimizer="none").forward.mul
    batch = sympy.Symbol(name, integer=True, positive=True)
    values = {sympy.Symbol("l", integer=True, positive=True): 3, batch: 7}
    heights = sympy.IndexedBase("h", integer=True, positive=True)
    numbers = {heights[place]: place + 2 for place in range(4)}
    assert found.subs(values).doit().subs(numbers) == 7 * one.subs(values).doit().subs(numbers)
