"""Which topics there are, and what is said of others."""

from __future__ import annotations

import pytest

from nncost.errors import QuantityError
from tests.explaining.explained import explained


@pytest.mark.parametrize(
    "topic", ["shapes", "parameters", "params", "neurons", "memory", "forward", "loss", "backward", "update", "step"]
)
def test_topics(topic: str) -> None:
    introduction, section = explained("8-4-2", topic).sections
    assert introduction.title == ""
    assert section.blocks


def test_everything_in_order() -> None:
    titles = [section.title for section in explained("8-4-2", examples=100).sections]
    assert titles == [
        "", "Shapes", "Parameters", "Forward pass", "Loss", "Backward pass", "Update", "One step together",
        "The whole run", "Memory of one step",
    ]  # fmt: skip


def test_no_training_without_a_loss() -> None:
    titles = [section.title for section in explained("8-4-2", loss="none").sections]
    assert titles == ["", "Shapes", "Parameters", "Forward pass", "Memory of one step"]
    assert "--loss" in explained("8-4-2", "backward", loss="none").sections[-1].blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "topic", ["", "forwards", "forward.mulls", "parameters.mul", "run.mul", "loss.loss", "forward.mul.x"]
)
def test_unknown_topics(topic: str) -> None:
    with pytest.raises(QuantityError) as error:
        explained("8-4-2", topic, examples=10)
    assert repr(topic) in str(error.value)
    for accepted in ("parameters", "forward", "backward", "update", "run", "mul", "derivatives"):
        assert accepted in str(error.value)


def test_a_close_topic_is_suggested() -> None:
    with pytest.raises(QuantityError, match=r"Did you mean 'forward\.mul'"):
        explained("8-4-2", "forward.mull")


@pytest.mark.parametrize("topic", ["run", "run.step.mul"])
def test_a_run_needs_examples(topic: str) -> None:
    with pytest.raises(QuantityError, match="--examples"):
        explained("8-4-2", topic)


def test_a_quantity_that_is_zero() -> None:
    assert explained("8-4-2", "forward.exp").sections[-1].title == "forward.exp = 0"
    assert explained("8-4-2", "backward.exp").sections[-1].title == "backward.exp = 0"
    assert explained("8-4-2", "update.div").sections[-1].title == "update.div = 0"


def test_a_graph_is_explained_as_a_spec_is() -> None:
    from nncost.documents import plain
    from nncost.explaining import explain_source
    from nncost.ir.builder import Builder
    from nncost.ir.library.dense import dense
    from nncost.pipeline.settings import Settings

    b = Builder()
    with b.layer("dense"):
        y = dense(b, b.input((2, 5), name="x"), b.parameter((3, 5), "weight", "weight"))
    text = plain.render(explain_source(b.graph(y), "forward.mul", Settings()))
    assert "forward.mul = 30" in text
    assert "dense.1  B·N·M = 2·5·3 = 30" in text


@pytest.mark.parametrize(
    ("topic", "titles"),
    [
        ("mul", ["forward.mul = 40", "loss.mul = 4", "backward.mul = 60", "update.mul = 46", "step.mul = 150"]),
        ("activations", ["forward.activations = 6", "step.activations = 6"]),
        (
            "Multiplications",
            ["forward.mul = 40", "loss.mul = 4", "backward.mul = 60", "update.mul = 46", "step.mul = 150"],
        ),
        ("weights", ["parameters.weights = 40"]),
        ("totals.forward.mul", ["forward.mul = 40"]),
        ("memory.gradients", ["memory.gradients = 184"]),
    ],
)
def test_a_quantity_of_every_phase_and_by_other_names(topic: str, titles: list[str]) -> None:
    assert [section.title for section in explained("8-4-2", topic).sections[1:]] == titles


def test_the_short_answer_comes_first() -> None:
    answer = explained("30-30-30").sections[0].blocks[0].text  # type: ignore[union-attr]
    for number in ("900 multiplications per pair", "2 × 900 = 1,800", "3,600", "60 activations", "2,820", "1,860"):
        assert number in answer
    assert explained("30-30-30", "mul").sections[0].blocks[0].text.startswith("6,540 multiplications: 1,800 in the")  # type: ignore[union-attr]
