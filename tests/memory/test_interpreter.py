"""The peaks of every kind of layer, against an interpreter that allocates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.pipeline.count import count_source
from nncost.pipeline.keywords import settings_of
from tests.memory.interpreter import Interpreter
from tests.symbols.test_substitution import SPECS

NETWORKS = [
    "784-16-16-10",
    "30-30-30",
    "5-4:relu-3:softmax",
    "3x8x8, conv 4 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 5",
    "3x9x9, conv 4 3x3 stride=2, gelu, conv 2 3x3, silu, avgpool 2, flatten, dense 3",
    "7x5, lstm 4, lstm 3 last, dense 2",
    "6x5, gru 4 last, dense 2",
    "9x5, rnn 4, rnn 4, flatten, dense 2",
    "2x5, lstm 4 last, dense 2",
    "12-8*3-2",
    "12-8*6-2",
    "8x3, dense 4, residual[layernorm, attention heads=2], residual[layernorm, dense 8, gelu, dense 4], dense 2",
    "4, dense 4, dropout 0.5, dense 2",
]


def watched(source: str, **keywords: object) -> tuple[Interpreter, nncost.Report]:
    counted = count_source(source, settings_of(**keywords))
    interpreter = Interpreter(counted.step)
    interpreter.run()
    return interpreter, nncost.count(source, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("source", NETWORKS)
def test_a_step_takes_what_the_interpreter_takes(source: str, optimizer: str) -> None:
    interpreter, report = watched(source, optimizer=optimizer, batch=3)
    memory = report.memory
    assert (memory.forward_allocated, memory.step_allocated) == interpreter.peaks()
    assert memory.activations == interpreter.saved()


@pytest.mark.parametrize("source", NETWORKS)
def test_inference_takes_what_the_interpreter_takes(source: str) -> None:
    interpreter, report = watched(source, loss="none", batch=3)
    assert (report.memory.forward_allocated, report.memory.step_allocated) == interpreter.peaks()


@pytest.mark.parametrize(("spec", "points"), SPECS, ids=[spec for spec, _ in SPECS])
def test_every_layer_of_a_spec_takes_what_the_interpreter_takes(spec: str, points: list[dict[str, int]]) -> None:
    for point in points:
        interpreter, report = watched(spec, symbols=point, batch=2, optimizer="momentum")
        memory = report.memory
        assert (memory.forward_allocated, memory.step_allocated) == interpreter.peaks()
        assert memory.activations == interpreter.saved()


WRITTEN_OUT = [
    ("12-8*6-2", "12-8-8-8-8-8-8-2"),
    ("12-8*3-2", "12-8-8-8-2"),
    ("4, dense 4, [[dense 4]*2]*6, dense 2", "4" + ", dense 4" * 13 + ", dense 2"),
    ("12-8*2-2", "12-8-8-2"),
    ("4, [dense 4, relu]*7, dense 2", "4, " + "dense 4, relu, " * 7 + "dense 2"),
    (
        "3x4x4, conv 2 1, [residual[conv 2 3x3 pad=1, batchnorm, relu]]*5, flatten, dense 2",
        "3x4x4, conv 2 1, " + "residual[conv 2 3x3 pad=1, batchnorm, relu], " * 5 + "flatten, dense 2",
    ),
    (
        "4x6, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense 8, gelu, dense 6]]*5, dense 2",
        "4x6, " + "residual[layernorm, attention heads=2 causal], residual[layernorm, dense 8, gelu, dense 6], " * 5 + "dense 2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("repeated", "written_out"), WRITTEN_OUT)
@pytest.mark.parametrize("loss", ["squared_error", "none"])
def test_repeated_layers_take_what_they_take_written_out(repeated: str, written_out: str, loss: str) -> None:
    for batch in (1, 50):
        one = nncost.count(repeated, batch=batch, loss=loss).memory
        other = nncost.count(written_out, batch=batch, loss=loss).memory
        for name in ("gradients", "activations", "forward_peak", "step_peak", "resident"):
            assert getattr(one, name) == getattr(other, name), name


LAYERS = ("dense 4", "dense 4 bias=no", "relu", "gelu", "tanh", "layernorm", "batchnorm", "dropout 0.5", "softmax")
blocks = st.recursive(
    st.sampled_from(LAYERS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"residual[{', '.join(parts)}]"),
        st.tuples(st.lists(inner, min_size=1, max_size=3), st.integers(1, 7)).map(
            lambda pair: f"[{', '.join(pair[0])}]*{pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.lists(blocks, min_size=1, max_size=4), st.sampled_from(["none", "squared_error"]), st.integers(1, 3))
def test_any_network_takes_what_the_interpreter_takes(parts: list[str], loss: str, batch: int) -> None:
    spec = "4, dense 4, " + ", ".join(parts) + ", dense 2"
    interpreter, report = watched(spec, loss=loss, batch=batch)
    assert (report.memory.forward_allocated, report.memory.step_allocated) == interpreter.peaks()
