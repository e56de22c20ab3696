"""Symbol = number: the formula of every quantity, evaluated at points, is the integer count there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import nncost
from tests.symbols.substitution import amounts, at, row_amounts

Point = dict[str, int]

SPECS: Sequence[tuple[str, Sequence[Point]]] = [
    ("a-b-c", [{"a": 784, "b": 16, "c": 10}, {"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 5, "c": 10}]),
    ("a-b:relu-c:gelu-d:softmax", [{"a": 5, "b": 2, "c": 10, "d": 3}, {"a": 1, "b": 1, "c": 1, "d": 1}]),
    ("cxhxw-b-d", [{"c": 3, "h": 2, "w": 5, "b": 4, "d": 2}]),
    ("a-h*L-c", [{"a": 784, "h": 7, "L": 5, "c": 10}, {"a": 2, "h": 1, "L": 2, "c": 1}, {"a": 2, "h": 5, "L": 1, "c": 3}, {"a": 3, "h": 2, "L": 10, "c": 1}]),
    ("a-a*L-c", [{"a": 4, "L": 6, "c": 2}, {"a": 1, "L": 2, "c": 5}]),
    ("784-h-h-10", [{"h": 1}, {"h": 16}, {"h": 1000}]),
    ("d, dense n bias=no, tanh, dense m, softmax", [{"d": 2, "n": 5, "m": 10}, {"d": 1, "n": 1, "m": 1}]),
    ("txd, dense n, layernorm, mish, dense n, rmsnorm", [{"t": 5, "d": 2, "n": 10}, {"t": 1, "d": 1, "n": 2}]),
    ("d, dense n, batchnorm, dropout 0.5, dense m, log_softmax", [{"d": 2, "n": 5, "m": 10}, {"d": 10, "n": 1, "m": 2}]),
    ("cxn, conv m k", [{"c": 2, "n": 10, "m": 5, "k": 3}, {"c": 1, "n": 1, "m": 1, "k": 1}]),
    ("cxhxw, conv m kxl stride=2 pad=1, relu, conv n k stride=2x1 dilation=2 pad=4", [
        {"c": 2, "h": 10, "w": 9, "m": 5, "n": 3, "k": 3, "l": 2}, {"c": 1, "h": 12, "w": 7, "m": 2, "n": 1, "k": 2, "l": 5},
    ]),
    ("cxhxw, conv m k pad=same, sigmoid, conv n 3 pad=same", [{"c": 2, "h": 4, "w": 5, "m": 3, "n": 2, "k": 3}, {"c": 1, "h": 1, "w": 2, "m": 1, "n": 5, "k": 1}]),
    ("cxhxw, conv m 1, conv m 3 groups=2 pad=1, batchnorm, relu6", [{"c": 2, "h": 4, "w": 5, "m": 4}, {"c": 5, "h": 2, "w": 1, "m": 2}]),
    ("cxtxhxw, conv m 2x2x1 pad=1", [{"c": 1, "t": 2, "h": 5, "w": 2, "m": 2}]),
    ("cxhxw, conv c 1, conv_transpose m k stride=2 pad=1 output_pad=1", [{"c": 2, "h": 3, "w": 5, "m": 2, "k": 3}, {"c": 1, "h": 2, "w": 2, "m": 5, "k": 2}]),
    ("cxhxw, conv m 1, maxpool k stride=2, flatten, dense n", [{"c": 2, "h": 10, "w": 5, "m": 2, "k": 2, "n": 3}, {"c": 1, "h": 9, "w": 7, "m": 5, "k": 3, "n": 1}]),
    ("cxhxw, conv m 1, maxpool 3 stride=2 pad=1, avgpool k stride=1, global_avgpool, dense n", [{"c": 2, "h": 10, "w": 8, "m": 2, "k": 2, "n": 3}]),
    ("cxhxw, conv m 1, avgpool 2, global_maxpool, dense n", [{"c": 1, "h": 5, "w": 10, "m": 2, "n": 2}]),
    ("cxhxw, conv m 1, groupnorm 2, instancenorm affine, lrn 3", [{"c": 1, "h": 2, "w": 5, "m": 4}, {"c": 2, "h": 1, "w": 2, "m": 10}]),
    ("t, embedding v d, dense n", [{"t": 5, "v": 10, "d": 2, "n": 5}, {"t": 1, "v": 2, "d": 1, "n": 1}]),
    ("txd, attention heads=2", [{"t": 5, "d": 4}, {"t": 1, "d": 2}, {"t": 10, "d": 10}]),
    ("txd, dense d, attention heads=4 kv_heads=2 causal bias=no", [{"t": 5, "d": 8}, {"t": 2, "d": 4}]),
    ("txd, rnn h", [{"t": 5, "d": 2, "h": 10}, {"t": 2, "d": 1, "h": 1}, {"t": 3, "d": 4, "h": 2}]),
    ("txd, lstm h last biases=1, dense n", [{"t": 5, "d": 2, "h": 10, "n": 2}, {"t": 2, "d": 1, "h": 1, "n": 1}, {"t": 3, "d": 3, "h": 2, "n": 5}]),
    ("txd, dense d, gru h bidirectional layers=2 last, dense n", [{"t": 5, "d": 2, "h": 3, "n": 2}, {"t": 2, "d": 1, "h": 5, "n": 1}]),
    ("txd, lstm h bidirectional layers=2, dense n", [{"t": 5, "d": 2, "h": 3, "n": 2}, {"t": 2, "d": 2, "h": 1, "n": 1}]),
    ("d, residual[dense d, relu], dense n", [{"d": 5, "n": 2}, {"d": 1, "n": 1}]),
    ("d, dense d, [dense d, relu]*L, dense n", [{"d": 5, "n": 2, "L": 3}, {"d": 1, "n": 1, "L": 2}, {"d": 2, "n": 3, "L": 10}, {"d": 3, "n": 2, "L": 1}]),
    ("d, [dense n, relu]*L", [{"d": 5, "n": 2, "L": 4}, {"d": 1, "n": 2, "L": 2}]),
    ("txd, dense d, [residual[lstm d]]*L", [{"t": 3, "d": 2, "L": 3}, {"t": 5, "d": 1, "L": 2}]),
    ("d, dense d, [dense n, [dense n, tanh]*M, dense d]*L", [{"d": 5, "n": 2, "L": 3, "M": 2}, {"d": 2, "n": 3, "L": 2, "M": 5}]),
    ("cxhxw, conv m 1, [residual[conv m 3 pad=1, batchnorm, relu]]*L, global_avgpool", [{"c": 2, "h": 3, "w": 4, "m": 2, "L": 5}, {"c": 1, "h": 2, "w": 2, "m": 1, "L": 2}]),
    (
        "t, embedding v d, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense f, gelu, dense d]]*L, layernorm, dense v bias=no",
        [{"t": 5, "v": 10, "d": 4, "f": 16, "L": 3}, {"t": 1, "v": 2, "d": 2, "f": 1, "L": 2}, {"t": 10, "v": 5, "d": 2, "f": 10, "L": 10}],
    ),
]  # fmt: skip
BATCHES = (1, 2, 5)


@pytest.mark.parametrize(("spec", "points"), SPECS, ids=[spec for spec, _ in SPECS])
@pytest.mark.parametrize("loss", ["squared_error", "none"])
def test_formula_equals_number(spec: str, points: Sequence[Point], loss: str) -> None:
    symbolic = nncost.count(spec, batch="B", loss=loss)
    formulas, row_formulas = amounts(symbolic), row_amounts(symbolic)
    for number, point in enumerate(points):
        batch = BATCHES[number % len(BATCHES)]
        report = nncost.count(spec, batch=batch, symbols=point, loss=loss)
        values = {**point, "B": batch}
        assert_equal(formulas, amounts(report), values)
        if min(point.get("L", 3), point.get("M", 3)) > 2:  # One or two repetitions may be written out, on other paths.
            assert_equal(row_formulas, row_amounts(report), values)


def assert_equal(formulas: dict, numbers: dict, values: Point) -> None:
    different = {
        key: (formulas.get(key, 0), at(formulas.get(key, 0), values), numbers.get(key, 0))
        for key in {**formulas, **numbers}
        if at(formulas.get(key, 0), values) != numbers.get(key, 0)
    }
    assert not different, (values, different)


LOSSES = ["cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "sum"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ["momentum", "adamw", "lion"])
def test_losses_and_optimizers(loss: str, optimizer: str) -> None:
    spec, values = "a-b-c", {"a": 5, "b": 2, "c": 10, "B": 7}
    symbolic = nncost.count(spec, batch="B", loss=loss, optimizer=optimizer)
    report = nncost.count(spec, batch=7, symbols={"a": 5, "b": 2, "c": 10}, loss=loss, optimizer=optimizer)
    assert_equal(amounts(symbolic), amounts(report), values)


def test_final_softmax() -> None:
    symbolic = nncost.count("a-b-c:softmax", batch="B")
    report = nncost.count("5-2-10:softmax", batch=3)
    assert report.settings["loss"] == "cross_entropy"
    assert_equal(amounts(symbolic), amounts(report), {"a": 5, "b": 2, "c": 10, "B": 3})


@pytest.mark.parametrize("accumulate", [1, 3])
def test_run(accumulate: int) -> None:
    """A symbolic run assumes that batches divide the examples and says so."""
    symbolic = nncost.count("a-b", batch="B", examples="N", epochs=4, accumulate=accumulate)
    assert symbolic.run is not None
    assert "divides N" in symbolic.run.assumes
    report = nncost.count("7-5", batch=2, examples=60, epochs=4, accumulate=accumulate)
    assert_equal(amounts(symbolic), amounts(report), {"a": 7, "b": 5, "B": 2, "N": 60})


def test_one_bound_symbol_leaves_the_others_open() -> None:
    report = nncost.count("a-b-c", symbols={"b": 16}, batch="B")
    assert str(report.to_dict()["totals"]["forward"]["mul"]) == "16*B*a + 16*B*c"


def test_batch_symbol_can_be_bound() -> None:
    assert amounts(nncost.count("a-b", batch="B", symbols={"a": 3, "b": 4, "B": 5})) == amounts(
        nncost.count("3-4", batch=5)
    )
