"""Every result in every format: what stands in it, how wide it is, and one place to add a format."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from functools import cache, partial
from io import StringIO
from typing import Any

import pytest

import nncost
from nncost.cli.main import run
from nncost.cli.options import page_width
from nncost.documents import FORMATS, Format
from nncost.documents.document import Document, Facts, Heading, Note, Number, Section, Table
from nncost.documents.tables import ROUNDED, table_lines
from nncost.frontends.operators import Coverage, Operator
from nncost.notation.formula import formula_of
from nncost.timing.devices.catalogue import catalogue, device_named
from nncost.timing.measure.measure import MeasuredRow, Measurement
from nncost.trainer.outcome import Training
from nncost.views.calibrate import calibrate_document
from nncost.views.count import BY, count_document
from nncost.views.coverage import coverage_document, unknown_document
from nncost.views.devices import device_document, devices_document
from nncost.views.formula import formula_document
from nncost.views.measure import measure_document
from nncost.views.predict import predict_document
from nncost.views.train import train_document
from tests.explaining.test_markup import assert_well_formed
from tests.timing.machines import made_up

CNN = "3x224x224, [conv 64 3x3 pad=1, relu]*2, batchnorm, maxpool 2, flatten, dense 1000, softmax"
LONG = "encoder.layers.11.self_attention.output.projection"


def measurement() -> Measurement:
    seconds, memory = {"forward": 1e-3, "step": 2e-3}, {"step_peak": 4e6, "step_allocated": 1e6}
    rows = (MeasuredRow(LONG, "forward", 1e-3, 1.1e-3), MeasuredRow("", "update", 1e-4))
    return Measurement(
        source=CNN, settings={"batch": 8, "loss": "cross_entropy", "optimizer": "adam"}, steps=300,
        predicted={"seconds": seconds, "memory": memory}, measured={"seconds": seconds, "memory": memory}, rows=rows,
        operations={"counted_macs": 10, "logged_macs": 9, "logged_calls": 3, "unreadable": ("MKL",)}, notes=("A note.",),
    )  # fmt: skip


def training() -> Training:
    amounts = {"operations": {"step": 1e9, "run": 1e12}, "seconds": {"step": 1e-3}, "memory": {"step_peak": 1e6}}
    return Training(
        source="3-2", engine="numpy", dtype="float32", task="classification", labels=("a", "b"), loss="cross_entropy",
        settings={}, rows={"test": 10}, parameters=8, steps=1000, history=(), test=None, predicted=amounts,
        measured=amounts, files=("folder/weights.safetensors",), notes=("A note.",),
    )  # fmt: skip


@cache
def counted() -> nncost.Report:
    return nncost.count(CNN, batch=32, examples=50_000, optimizer="adam", fits="8GiB")


def coverage() -> Coverage:
    return Coverage("torch", "2.0", tuple(Operator(f"aten::{name}", "default", "unknown") for name in ("one", "two")))


BUILDERS: dict[str, Callable[[], Document]] = {
    **{f"count by {by}": partial(lambda by: count_document(counted(), by=by), by) for by in BY},
    "count expanded": lambda: count_document(counted(), expand=True),
    "symbols": lambda: count_document(nncost.count("784-h-h-10", batch="B")),
    "explain": lambda: nncost.explain("784-16-16-10"),
    "why": lambda: nncost.explain("784-16-10", why="6nd"),
    "predict": lambda: predict_document(nncost.predict(CNN, on="h100", batch=32)),
    "measure": lambda: measure_document(measurement(), limit=5),
    "train": lambda: train_document(training()),
    "devices": lambda: devices_document((), catalogue()),
    "device": lambda: device_document(device_named("a100")),
    "coverage": lambda: coverage_document(coverage()),
    "unknown": lambda: unknown_document(coverage()),
    "calibrate": lambda: calibrate_document(made_up()),
    "formula": lambda: formula_document([formula_of("mul", nncost.count("784-h-h-10").forward.mul, {"h": 16})]),
}
NAMES = list(BUILDERS)


@cache
def built(name: str) -> Document:
    return BUILDERS[name]()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_keep_to_the_width(name: str, width: int) -> None:
    for form in ("plain", "terminal"):
        lines = built(name).render(form, width).splitlines()
        assert max(map(len, lines)) <= width, form
        assert all(line == line.rstrip() for line in lines)


def test_a_wider_page_shows_more() -> None:
    whole = f"{counted().forward.mul:,}"
    narrow, wide = (built("count by layer").render("plain", width) for width in (60, 200))
    assert ROUNDED[:40] in narrow
    assert "No room here for: backward, update." in narrow
    assert whole not in narrow
    assert ROUNDED[:40] not in wide
    assert whole in wide


def test_a_pipe_keeps_every_digit() -> None:
    assert f"{counted().forward.mul:,}" in built("count by layer").render("plain")
    assert LONG in built("measure").render("plain")


@pytest.mark.parametrize("name", NAMES)
def test_latex_is_well_formed(name: str) -> None:
    assert_well_formed(built(name).render("latex"))


@pytest.mark.parametrize("name", NAMES)
def test_markdown_tables_are_regular(name: str) -> None:
    width = None
    for line in built(name).render("markdown").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert width is None or cells is None or cells == width, line
        width = cells


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_every_block(name: str) -> None:
    told = json.loads(built(name).render("json"))
    assert told["title"] == built(name).title
    kinds = [[block["kind"] for block in section["blocks"]] for section in told["sections"]]
    assert kinds == [[type(block).__name__.lower() for block in s.blocks] for s in built(name).sections]


@pytest.mark.parametrize("name", NAMES)
def test_csv_holds_the_main_table(name: str) -> None:
    document = built(name)
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    if not tables:
        with pytest.raises(nncost.NncostError, match="no table here"):
            document.render("csv")
        return
    table = document.main or tables[0]
    header, *rows = csv.reader(StringIO(document.render("csv")))
    assert tuple(header) == (table.titles[0] or "name", *table.titles[1:])
    assert len(rows) == len(table.rows)


def test_csv_leaves_unknown_cells_empty() -> None:
    *_, last = csv.reader(StringIO(built("measure").render("csv")))
    assert last == ["outside layers update", "", "0.0001", ""]


def test_csv_numbers_are_in_base_units() -> None:
    first, *_ = csv.DictReader(StringIO(built("measure").render("csv")))
    assert (first["predicted"], first["measured"]) == ("0.0011", "0.001")


def test_a_terminal_shows_the_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = built("count by layer").render("terminal", 100)
    assert "\x1b[1m" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == built("count by layer").render("plain", 100)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "width"), [("40", 60), ("100", 100), ("500", 200)])
def test_the_width_follows_the_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert page_width(Terminal()) == width
    assert page_width(StringIO()) is None


def test_a_format_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "titles", Format("Titles only.", lambda document, width: f"{document.title}\n"))
    assert built("device").render("titles") == f"{built('device').title}\n"


@pytest.mark.parametrize("form", ["--plain", "--markdown", "--latex", "--json", "--csv"])
@pytest.mark.parametrize("command", [["count", "3-2"], ["predict", "3-2", "--on", "h100"], ["devices"]])
def test_every_command_has_every_format(command: list[str], form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, form]) == 0
    assert capsys.readouterr().out.endswith("\n")


@pytest.mark.parametrize("form", ["--plain", "--markdown", "--latex", "--json"])
@pytest.mark.parametrize("command", [["explain", "3-2", "forward"], ["formula", "3-h-2"]])
def test_prose_has_every_format_but_csv(command: list[str], form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, form]) == 0
    assert capsys.readouterr().out.endswith("\n")
    assert run([*command, "--csv"]) == 2


# ------------------------------------------------------------------- tables
def text(table: Table, width: int | None = None) -> str:
    return "\n".join(line.text for line in table_lines(table, width))


def test_amounts_stand_under_each_other() -> None:
    table = Table(("", "mul", "add"), (("dense.1", 12_544, 16), ("b", 7, 1_000)), total=("total", 12_551, 1_016))
    assert text(table) == (
        "            mul    add\n----------------------\ndense.1  12,544     16\nb             7  1,000\n"
        "----------------------\ntotal    12,551  1,016"
    )


def test_titles_of_groups_are_never_cut() -> None:
    table = Table(("", "add", "mul", "add"), (("a", 1, 2, 3),), groups=("", "parameters", "forward", "forward"))
    head, titles, rule, row = text(table).splitlines()
    assert head.split() == ["parameters", "forward"]
    assert len(titles) == len(rule) == len(row) == len(head)


def test_optional_groups_leave_first() -> None:
    rows: tuple[Any, ...] = (("a", 10**9, 10**9, 10**9), ("only.update", 0, 0, 5))
    groups = ("", "forward", "backward", "update")
    table = Table(("", "mul", "mul", "mul"), rows, groups=groups, optional=("update", "backward"))
    narrow = text(table, 20)
    assert "No room here for:" in narrow
    assert "only.update" in narrow
    assert "1.000G" in narrow
    assert text(table, 60).count("1,000,000,000") == 3


def test_long_names_give_way() -> None:
    table = Table(("layer", "seconds"), ((LONG, Number(1.0, "1.00 s")),))
    assert text(table, 30).splitlines()[-1] == f"…{LONG[-21:]}  1.00 s"
    assert LONG in text(table)


def test_formulas_stand_in_a_list() -> None:
    amount = nncost.count("784-h-10").forward.mul
    table = Table(("", "mul", "add"), (("dense", amount, 0),), groups=("", "forward", "forward"))
    assert text(table) == "  dense\n    forward mul         794·h"


def test_facts_of_a_heading_are_indented() -> None:
    blocks = (Facts((("a", "b"),)), Heading("Under"), Facts((("long name", "c " * 60),)), Note("n"), Note("m"))
    lines = str(Document("", (Section("", blocks),))).splitlines()
    assert lines[:4] == ["a  b", "", "Under", "  long name  " + "c " * 33 + "c"]
    assert lines[4].startswith(" " * 13 + "c")
    assert lines[-3:] == ["", "n", "m"]


def test_columns_that_do_not_fit_are_named() -> None:
    header = ("name", *(f"column {number}" for number in range(9)))
    table = Table(header, (("x", *range(9)),))
    *lines, remark = text(table, 60).splitlines()
    assert lines[0] == "name column 0 column 1 column 2 column 3 column 4 column 5"
    assert remark == "No room here for: column 6, column 7, column 8."
