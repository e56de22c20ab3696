"""The steps of a layer add up to what it costs, and every operation of the count stands in one of them."""

from __future__ import annotations

import pytest

from nncost.dims import add_all, same
from nncost.explaining.accounts import accounts_of
from nncost.explaining.card_steps import steps_of
from nncost.explaining.cards.card import Card
from nncost.explaining.derivation import backward, forward, trace
from nncost.explaining.expressions import SUM, function, named, number
from nncost.explaining.steps import NOT_STEPS, Step
from nncost.explaining.update_rules import letter_n, per_parameter, steps_of_rule
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.notation.written import written
from nncost.pipeline.count import count_source
from tests.explaining.explained import settings_of
from tests.explaining.test_cards import TEMPLATES, spec_of
from tests.explaining.test_markup import assert_well_formed


def cards() -> list[Card]:
    found: dict[Card, None] = {}
    for template in TEMPLATES:
        counted = count_source(spec_of(template, 1), settings_of(batch=2))
        for entry in accounts_of(counted, valid_taps=False).entries:
            if entry.reading is not None:
                found[entry.reading.card] = None
    return list(found)


def assert_sum(steps: tuple[Step, ...], counts: dict[str, object]) -> None:
    for name in {*counts, *(name for step in steps for name in step.counts)} - set(NOT_STEPS):
        total = add_all(step.counts.get(name, 0) * step.times for step in steps)  # type: ignore[call-overload]
        assert same(total, counts.get(name, 0)), name  # type: ignore[arg-type]


def test_steps_add_up_to_the_formulas() -> None:
    for card in cards():
        there, back = steps_of(card)
        assert_sum(there, dict(forward(card)))
        labels = frozenset(trace(card).labelled)
        if back:
            assert_sum(back, dict(backward(card, labels, frozenset({0}))))


def test_steps_are_named_once_and_before_they_are_read() -> None:
    for card in cards():
        there, back = steps_of(card)
        names = [step.name for step in (*there, *back)]
        assert len(set(names)) == len(names), card.title
        for step in (*there, *back):
            assert_well_formed(f"${step.expression.latex}$")


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_the_steps_of_an_optimizer(optimizer: str) -> None:
    counts = per_parameter(optimizer)
    assert_sum(steps_of_rule(optimizer), {name: amount * letter_n() for name, amount in counts.items()})


def test_adams_six_multiplications() -> None:
    taken = {step.name: step.counts.get("mul", 0) / letter_n() for step in steps_of_rule("adam")}
    assert taken == {"m": 2, "v": 3, "p": 1}


def test_brackets_stand_where_they_are_needed() -> None:
    x, y = named("x"), named("y")
    total = function("add", [x, y])
    assert total.tightness == SUM
    assert function("mul", [total, x]).text == "(x + y)·x"
    assert function("sub", [x, total]).text == "x − (x + y)"
    assert function("sub", [x, function("div", [x, y])]).text == "x − x/y"
    assert function("div", [x, function("mul", [x, y])]).text == "x/(x·y)"
    assert function("add", [x, function("neg", [y])]).text == "x − y"
    assert function("square", [total]).text == "(x + y)²"
    assert function("select", [function("greater", [x, y]), x, y]).text == "x if (x > y), else y"


@pytest.mark.parametrize(
    ("value", "text"),
    [(4096.0, "4,096"), (0.5, "0.5"), (1e-8, "10⁻⁸"), (2e-5, "2·10⁻⁵"), (-0.1, "−0.1"), (0.99997, "0.99997"), (float("-inf"), "−∞")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value, written).text == text
