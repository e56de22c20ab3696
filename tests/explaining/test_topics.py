"""Which topics there are, and what is said of others."""

from __future__ import annotations

import pytest

from nncost.errors import QuantityError
from tests.explaining.explained import explained


@pytest.mark.parametrize("topic", ["parameters", "params", "neurons", "forward", "loss", "backward", "update", "step"])
def test_topics(topic: str) -> None:
    introduction, section = explained("8-4-2", topic).sections
    assert introduction.title == ""
    assert section.blocks


def test_everything_in_order() -> None:
    titles = [section.title for section in explained("8-4-2", examples=100).sections]
    assert titles == [
        "", "Parameters", "Forward pass", "Loss", "Backward pass", "Update", "One step together", "The whole run",
    ]  # fmt: skip


def test_no_training_without_a_loss() -> None:
    titles = [section.title for section in explained("8-4-2", loss="none").sections]
    assert titles == ["", "Parameters", "Forward pass"]
    assert "--loss" in explained("8-4-2", "backward", loss="none").sections[-1].blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "topic", ["", "forwards", "forward.muls", "parameters.mul", "run.mul", "loss.loss", "forward.mul.x"]
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
