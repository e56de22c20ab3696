"""Output shapes of specs: those of the arrays that the counted graph gives, by hand, with symbols, in every format."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest

import nncost
from nncost.cli.main import run
from nncost.dims import substitute, symbol
from tests.layer_examples import EXAMPLES

SPECS = list(dict.fromkeys(spec for name, specs in EXAMPLES.items() if name != "dropout" for spec in specs))
"""Dropout does nothing here."""


@pytest.mark.parametrize("spec", SPECS)
def test_the_last_layer_to_end_gives_the_output(spec: str) -> None:
    outputs = nncost.count(spec, batch=2, loss="none").outputs
    (y,) = nncost.run(spec, batch=2).values()
    assert list(outputs.values())[-1] == y.shape


def test_by_hand() -> None:
    report = nncost.count("3x32x32, conv 16 5x5, relu, maxpool 2, [conv 16 3x3 pad=1]*3, flatten, dense 10", batch=8)
    shapes = {row.path: row.output for row in report.rows if row.phase == "forward"}
    assert shapes == {
        "conv.1": (8, 16, 28, 28),
        "relu.1": (8, 16, 28, 28),
        "maxpool.1": (8, 16, 14, 14),
        "repeat.1.conv.1": (8, 16, 14, 14),
        "dense.1": (8, 10),
    }
    assert report.outputs["flatten.1"] == (8, 16 * 14 * 14)
    assert all(row.output is None for row in report.rows if row.phase != "forward")


def test_each_operation_of_a_layer_has_its_own() -> None:
    report = nncost.count("4x6, lstm 3 bidirectional last layers=2", batch=2, loss="none")
    assert [(row.path, row.op, row.output) for row in report.rows] == [
        ("lstm.1.layer.1", "lstm", (2, 4, 6)),
        ("lstm.1.layer.2", "lstm", (2, 4, 6)),
        ("lstm.1", "concat", (2, 6)),
    ]


@pytest.mark.parametrize(
    ("spec", "settings", "values"),
    [
        ("784-h-10", {"batch": "B"}, {"B": 7, "h": 12}),
        ("CxHxW, conv 4 3x3 stride=2 pad=1, relu, maxpool 2, flatten, dense C", {}, {"C": 3, "H": 19, "W": 21}),
        (
            "TxD, [residual[layernorm, attention heads=2]]*L, flatten, dense 3",
            {"batch": "B"},
            {"T": 5, "D": 4, "L": 3, "B": 2},
        ),
    ],
)
def test_symbols_stand_for_numbers(spec: str, settings: dict[str, str], values: dict[str, int]) -> None:
    sizes = {symbol(name): value for name, value in values.items()}
    formulas = nncost.count(spec, **settings).outputs
    names = {name: value for name, value in values.items() if name not in settings.values()}
    numbers = nncost.count(spec, symbols=names, **{key: values[name] for key, name in settings.items()}).outputs
    found = {path: tuple(substitute(dim, sizes) for dim in shape) for path, shape in formulas.items()}
    assert found.items() >= {path: shape for path, shape in numbers.items() if path in found}.items()
    assert list(found.values())[-1] == list(numbers.values())[-1]


def test_in_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    run(["count", "784-h-10", "--batch", "B", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row.get("output") for row in rows][:4] == [["B", "h"], ["B", "h"], ["B", 10], ["B", 10]]
    assert all("output" not in row for row in rows if row["phase"] != "forward")
    run(["count", "784-h-10", "--batch", "B", "--csv"])
    lines = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert [line["output"] for line in lines] == ["Bxh", "Bxh", "Bx10", "Bx10", *[""] * (len(lines) - 4)]


def test_the_column_goes_before_numbers_are_shortened() -> None:
    report = nncost.count("784-500-500-10")
    wide, narrow, asked = (report.table(shapes=s).render("plain", w) for s, w in ((None, 95), (None, 90), (True, 90)))
    assert "1x500" in wide
    assert "392,000" in wide
    assert "1x500" not in narrow
    assert "392,000" in narrow
    assert "1x500" in asked
    assert "1x500" not in report.table(shapes=False).render("plain")


def test_a_cut_path_has_the_output_of_what_ends_last() -> None:
    text = str(nncost.count("8x6, [residual[dense 9, dense 6]]*2, flatten, dense 4").table(depth=1))
    (line,) = (line for line in text.splitlines() if line.startswith("repeat.1 "))
    assert line.split()[1] == "1x8x6"
