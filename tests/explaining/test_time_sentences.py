"""Causes and remedies in sentences, from predictions and races that are made up."""

from __future__ import annotations

import pytest

from nncost.documents.document import Paragraph
from nncost.explaining.time.causes import cause_sentences, largest_causes, layer_sentences
from nncost.explaining.time.helps import help_sentences
from nncost.records import replace
from nncost.timing.measure.noise import Noise
from nncost.timing.measure.step import StepSeconds
from nncost.timing.prediction import CAUSES, PredictedRow, Prediction, Seconds
from nncost.timing.what_helps.trial import Attempt, Tried, Variant
from nncost.timing.what_helps.try_out import Found


def row(path: str, op: str, phase: str, **causes: float) -> PredictedRow:
    seconds = sum(causes.values())
    found = dict.fromkeys(CAUSES, 0.0) | causes
    return PredictedRow(path, op, phase, Seconds(seconds, seconds, seconds), found, max(found, key=lambda c: found[c]))


def prediction(*rows: PredictedRow) -> Prediction:
    step = sum(each.seconds.value for each in rows)
    return Prediction("x", {}, "calibrated", {}, {"step": Seconds(step, step, step)}, rows)


def texts(blocks: object) -> list[str]:
    assert hasattr(blocks, "__iter__")
    return [block.text for block in blocks if isinstance(block, Paragraph)]


BLOCKS = prediction(
    *(row(f"h.{n}.fc", "Linear", "forward", arithmetic=1.0, overhead=0.25) for n in range(3)),
    *(row(f"h.{n}.fc", "add", "backward", arithmetic=1.0, memory=0.5) for n in range(3)),
    row("head", "Linear", "forward", arithmetic=2.0),
    *(row(f"h.{n}.fc", "adam", "update", memory=0.25) for n in range(3)),
    row("", "framework", "backward", overhead=0.5),
)


def test_the_largest_causes_are_of_kinds_of_layers_and_of_phases() -> None:
    causes = largest_causes(BLOCKS)
    assert [(each.cause, each.place, each.seconds) for each in causes] == [
        ("arithmetic", "Linear", 8.0), ("memory", "Linear", 1.5), ("overhead", "the forward pass", 0.75),
    ]  # fmt: skip


def test_their_sentences_say_where_how_long_and_which_part() -> None:
    first, second, third = texts(cause_sentences(BLOCKS))
    assert first == (
        "Arithmetic in the 4 layers of the kind Linear is the largest cause: 8.00 s, 70% of a step, of which 6.00 s in h.0-2.fc."
    )
    assert second == "Memory traffic of the 3 layers of the kind Linear is the second cause: 1.50 s, 13% of a step."
    assert third == "The framework's own work around the forward pass is the third cause: 750 ms, 7% of a step."


def test_one_layer_is_named_and_small_causes_are_not() -> None:
    found = texts(cause_sentences(prediction(row("a", "Conv2d", "forward", page_faults=1.0, memory=0.001))))
    assert found == ["First touches of new memory in a (Conv2d) is the largest cause: 1.00 s, 100% of a step."]


def test_layers_that_are_numbers_are_not_put_together() -> None:
    (text,) = texts(layer_sentences({"0": 1.0, "1": 3.0, "2.fc": 2.0, "3.fc": 2.0}, 10.0))
    assert "2-3.fc 4.00 s (40%), 1 3.00 s (30%), 0 1.00 s (10%)." in text
    assert texts(layer_sentences({}, 1.0)) == []


def tried(what: str, gain: float, scatter: float = 0.0, do: str = "do it", examples: float = 1) -> Tried:
    return Tried(Attempt(what, do, Variant(examples=examples)), gain, scatter, "measured")


@pytest.mark.parametrize(
    ("each", "sentence"),
    [
        (tried("x", 1.4), "Tried: x (do it): 1.40 times faster (measured)."),
        (tried("x", 3.0, examples=4), "Tried: x (do it): 3.00 times faster for each example (measured)."),
        (tried("x", 1.02), "Tried: x: does not help, 1.02 times as fast (measured)."),
        (tried("x", 0.5), "Tried: x: does not help, 2.00 times slower (measured)."),
        (tried("x", 1.1, scatter=0.4, do=""), "Tried: x: does not help, 1.10 times as fast (measured)."),
        (replace(tried("x", 2.0), how="predicted"), "Tried: x (do it): 2.00 times faster (predicted)."),
    ],
)
def test_what_was_tried_is_said_with_what_came_of_it(each: Tried, sentence: str) -> None:
    assert texts(help_sentences(Found(StepSeconds(1.0), Noise(0.1, 0.2), (each,))))[1] == sentence


def test_rounds_that_differ_too_much_tell_nothing() -> None:
    (_, text) = texts(help_sentences(Found(StepSeconds(1.0), None, (tried("x", 3.0, scatter=2.0),))))
    assert "cannot be told now, as one round differs from another by 200%" in text
    assert "do it" not in text


def test_what_was_not_tried_is_said_and_nothing_where_nothing_applies() -> None:
    left = (Attempt("a", "", Variant()), Attempt("b", "", Variant()))
    lead, _, text = texts(help_sentences(Found(StepSeconds(1.0), Noise(0.1, None), (tried("x", 2.0),), left)))
    assert lead.endswith("Meanwhile the two halves of the steps differ by 10.0 %.")
    assert text == "Not tried, for want of time: a and b."
    (text,) = texts(help_sentences(Found(StepSeconds(1.0), None, (), left)))
    assert text == "What may help was not tried, for want of time: a and b."
    assert texts(help_sentences(Found(StepSeconds(1.0), None, ()))) == []
    assert texts(help_sentences(None)) == []
    assert "by prediction" in texts(help_sentences(Found(None, None, (tried("x", 2.0),))))[0]
