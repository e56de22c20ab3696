"""Results in Python: ``print`` shows what the command prints, ``repr`` is one line, tables go to pandas."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nncost
from nncost.cli.main import run
from nncost.errors import MissingExtraError, OptionError
from nncost.report_data import row_table

SPEC = "3x8x8, conv 4 3x3, batchnorm, relu, flatten, dense 10"


def printed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("checkpoint") / "net.npz"
    np.savez(path, **{"1.weight": np.zeros((16, 784), "f4"), "1.bias": np.zeros(16, "f4")})
    return str(path)


def test_a_report_prints_as_its_command(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (SPEC, "784-h-10", checkpoint):
        command, _, _ = printed("count", source, capsys=capsys).rpartition("\nNext: ")
        assert str(nncost.count(source)) == command


@pytest.mark.parametrize("by", ["layer", "op", "phase", "memory"])
def test_tables_of_a_report(by: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = nncost.count(SPEC).table(by=by, depth=1)
    depth = ["--depth", "1"] if by in ("layer", "memory") else []
    assert printed("count", SPEC, "--by", by, *depth, capsys=capsys).startswith(str(table))
    assert "|" in table.render("markdown")
    assert len(repr(table).splitlines()) == 1


def test_choices_of_tables(checkpoint: str) -> None:
    report = nncost.count(SPEC)
    assert "softmax" not in str(report.table())
    assert "sgd" in str(report.table(expand=True))
    assert str(report.table(shapes=True)) == str(report) != str(report.table(shapes=False))
    assert "float32 16x784" in str(nncost.count(checkpoint).table(by="tensor"))
    for source, by in ((SPEC, "colour"), (checkpoint, "op")):
        with pytest.raises(OptionError):
            nncost.count(source).table(by=by)


def test_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    prediction = nncost.predict(SPEC, on="h100", batch=8)
    assert printed("predict", SPEC, "--on", "h100", "--batch", "8", capsys=capsys) == f"{prediction}\n"
    by_cause = printed("predict", SPEC, "--on", "h100", "--batch", "8", "--by", "cause", capsys=capsys)
    assert f"{prediction.table(by='cause')}\n" == by_cause
    assert repr(prediction).startswith(f"<Prediction of {SPEC} on h100")


def test_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    formula = nncost.formula("784-h-10", "forward.mul", at={"h": 16})
    command = printed("formula", "784-h-10", "forward.mul", "--at", "h=16", capsys=capsys)
    assert f"{formula}\n" == command
    assert repr(formula) == "<Formula of forward.mul: 794*h>"


def test_explanations(capsys: pytest.CaptureFixture[str]) -> None:
    explanation = nncost.explain("784-16-16-10", "parameters")
    assert f"{explanation}\n" == printed("explain", "784-16-16-10", "parameters", capsys=capsys)
    assert len(repr(explanation).splitlines()) == 1


@pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
def test_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    measurement = nncost.measure("8-6-4", batch=2)
    text = str(measurement)
    assert text.startswith("8-6-4, batch 2, squared_error, sgd: ")
    assert "memory at the peak" in text
    assert "the least that the graph of a spec" in " ".join(text.split())
    assert len(str(measurement.table(rows=1)).splitlines()) < len(text.splitlines())
    assert repr(measurement).startswith("<Measurement of 8-6-4: ")


def test_memory_of_a_module_is_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    module, settings = torch.nn.Linear(6, 4), {"loss": "sum", "optimizer": "sgd"}
    measurement = nncost.measure(module, (3, 6), **settings)
    peak = nncost.count(module, (3, 6), **settings).memory.step_peak
    assert measurement.predicted["memory"]["step_peak"] == peak
    assert nncost.predict(module, (3, 6), on="h100", **settings).memory["peak_bytes"] == peak
    assert "name a peak" not in str(measurement)


def test_trainings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    training = nncost.train("3-2:softmax", (x, (x[:, 0] > 0).astype(int)), epochs=1, engine="numpy")
    assert str(training).startswith("trained 1 epoch, ")
    assert repr(training).startswith("<Training of 3-2:softmax: 1 epoch, test accuracy ")


def test_calibrations() -> None:
    from tests.timing.machines import made_up

    made = made_up()
    assert made.name in str(made)
    assert "bandwidth" in str(made)
    assert repr(made) == f"<Profile of {made.name}, calibrated with {made.engine}>"


@pytest.mark.parametrize("source", [SPEC, "784-h-10", "h0-h1-...-hl", "784-16*40-10"])
def test_every_repr_is_a_short_line(source: str) -> None:
    report = nncost.count(source)
    for result in (report, report.table(), nncost.formula(source), nncost.explain(source, "parameters")):
        assert len(repr(result).splitlines()) == 1
        assert len(repr(result)) < 400


# ------------------------------------------------------------------- rows
def test_rows_answer_zero() -> None:
    report = nncost.count(SPEC)
    (relu,) = (row for row in report.rows if row.op == "relu" and row.phase == "forward")
    assert relu.counts["cmp"] == relu.counts.cmp == 4 * 6 * 6
    assert relu.counts["exp"] == relu.counts.exp == relu.counts.get("mul", 7) == 0
    assert "exp" not in relu.counts
    assert "exp" not in report.to_dict()["rows"][0]["counts"]
    with pytest.raises(KeyError):
        relu.counts["cost"]
    with pytest.raises(AttributeError, match="no quantity 'cost'"):
        _ = relu.counts.cost
    assert dict(relu.counts) == {"cmp": 144, "activations": 144, "read_bytes": 576, "write_bytes": 576}
    assert sum(row.counts["mul"] for row in report.rows if row.phase == "backward") == report.backward.mul


def test_reports_are_handed_on() -> None:
    report = nncost.count(SPEC)
    for other in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert other.to_dict() == report.to_dict()
        assert str(other) == str(report)


# ------------------------------------------------------------------- pandas
@pytest.mark.parametrize("settings", [{}, {"loss": "none"}, {"optimizer": "adam", "batch": 7}])
def test_pandas_holds_the_rows_of_csv(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = nncost.count(SPEC, **settings).to_pandas()
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    text = printed("count", SPEC, *options, "--csv", capsys=capsys)
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(text), keep_default_na=False))


def test_pandas_holds_giants_and_formulas() -> None:
    pytest.importorskip("pandas")
    giant = nncost.count("9999999999999-9999999999999-2")
    assert giant.to_pandas()["mul"].sum() == giant.step.mul > 2**64
    formula = nncost.count("784-h-10")
    assert formula.to_pandas()["mul"].sum() == formula.step.mul


def test_polars_and_arrow_hold_the_rows() -> None:
    report = nncost.count(SPEC)
    polars, arrow = report.to_polars(), report.to_arrow()
    titles, lines = row_table(report)
    assert polars.columns == arrow.column_names == titles
    assert [list(row) for row in polars.rows()] == [list(row.values()) for row in arrow.to_pylist()] == lines
    assert polars["mul"].sum() == report.step.mul


def test_polars_and_arrow_hold_giants_and_formulas_as_text() -> None:
    giant = nncost.count("9999999999999-9999999999999-2")
    for table in (giant.to_polars()["mul"].to_list(), giant.to_arrow()["mul"].to_pylist()):
        assert sum(map(int, table)) == giant.step.mul > 2**64
    assert "784*h" in nncost.count("784-h-10").to_polars()["mul"].to_list()


@pytest.mark.parametrize(
    ("package", "extra", "method"), [("polars", "polars", "to_polars"), ("pyarrow", "arrow", "to_arrow")]
)
def test_without_polars_or_arrow(package: str, extra: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"needs the package '{package}'") as raised:
        getattr(nncost.count("3-2"), method)()
    assert f'pip install "nncost[{extra}]"' in str(raised.value)


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'pandas'") as raised:
        nncost.count("3-2").to_pandas()
    assert 'pip install "nncost[pandas]"' in str(raised.value)
