"""Every result in every format: what stands in it, how wide it is, and one place to add a format."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable
from functools import cache, partial
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.cli.main import run
from nncost.cli.terminal import page_width
from nncost.documents import FORMATS, Format
from nncost.documents.characters import error_handler, plainly
from nncost.documents.document import Document, Facts, Heading, Note, Number, Section, Shell, Table
from nncost.documents.lines import columns, wrapped
from nncost.documents.page import Page
from nncost.documents.shell import shell_lines
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
WHITE = " \t\n\r\f\v"
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
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_lines_keep_to_the_width(name: str, width: int) -> None:
    for form in ("plain", "terminal"):
        lines = built(name).render(form, width).splitlines()
        assert max(map(columns, lines)) <= width, form
        assert all(line == line.rstrip() for line in lines)


def test_a_wider_page_shows_more() -> None:
    whole = f"{counted().forward.mul:,}"
    narrow, wide = (built("count by layer").render("plain", width) for width in (60, 200))
    assert narrow.count(ROUNDED[:40]) == 1
    for title in ("backward", "update"):
        assert len(re.findall(rf"^ +.*{title}", narrow, re.MULTILINE)) == len(
            re.findall(rf"^ +.*{title}", wide, re.MULTILINE)
        )
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


@pytest.mark.parametrize(("columns", "width"), [("30", 40), ("40", 40), ("100", 100), ("500", 200)])
def test_the_width_follows_the_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert page_width(Terminal()) == width
    assert page_width(StringIO()) is None


def test_a_format_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        FORMATS, "titles", Format("Titles only.", lambda document, width, encoding: f"{document.title}\n")
    )
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
def text(table: Table, width: int | None = None, encoding: str | None = None) -> str:
    return "\n".join(line.text for line in table_lines(table, Page(width, encoding)).lines)


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


def test_columns_wrap_into_blocks() -> None:
    rows: tuple[Any, ...] = (("a", 10**9, 10**9, 10**9), ("only.update", 0, 0, 5))
    groups = ("", "forward", "backward", "update")
    table = Table(("", "mul", "mul", "mul"), rows, groups=groups, total=("total", 10**9, 10**9, 10**9 + 5))
    blocks = text(table, 30).split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["forward", "backward"], ["update"]]
    for block in blocks:
        _, titles, _, first, second, _, total = block.splitlines()
        assert ({*titles.split()}, first[:1], second[:11], total[:5]) == ({"mul"}, "a", "only.update", "total")
    assert "1.000G" in blocks[0]
    assert "1,000,000,000" in blocks[1], "what fits has every digit"
    assert text(table, 60).count("1,000,000,000") == 5


def test_numbers_are_rounded_only_where_that_saves_a_block() -> None:
    table = Table(("layer", "mul", "add"), (("conv", 123_456_789, 987_654_321),))
    assert "123.5M" in text(table, 24)
    assert "\n\n" not in text(table, 24)
    assert "123,456,789 987,654,321" in text(table, 29)


def test_a_group_that_is_too_wide_is_taken_apart() -> None:
    table = Table(("", "weights", "biases", "other"), (("a", 1, 2, 3),), groups=("", *["parameters"] * 3))
    blocks = text(table, 21).split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["parameters"], ["parameters"]]
    assert [block.splitlines()[1].split() for block in blocks] == [["weights", "biases"], ["other"]]


def test_names_that_would_be_the_same_are_broken() -> None:
    names = [f"{letter}.layers.self_attention.output.projection" for letter in "ab"]
    table = Table(("layer", "mul"), tuple((name, 10**8) for name in names))
    *_, first, second, third, last = text(table, 40).splitlines()
    assert "".join((first + second).split()) == f"{names[0]}100.0M"
    assert (third[:2], last[-6:]) == ("b.", "100.0M")


def test_long_names_give_way() -> None:
    table = Table(("layer", "seconds"), ((LONG, Number(1.0, "1.00 s")),))
    assert text(table, 30).splitlines()[-1] == f"…{LONG[-21:]}  1.00 s"
    assert LONG in text(table)


def test_formulas_stand_in_a_list() -> None:
    amount = nncost.count("784-h-10").forward.mul
    table = Table(("", "mul", "add"), (("dense", amount, 0),), groups=("", "forward", "forward"))
    assert text(table) == "  dense\n    forward mul  794·h"


def test_facts_of_a_heading_are_indented() -> None:
    blocks = (Facts((("a", "b"),)), Heading("Under"), Facts((("long name", "c " * 60),)), Note("n"), Note("m"))
    lines = str(Document("", (Section("", blocks),))).splitlines()
    assert lines[:4] == ["a  b", "", "Under", "  long name  " + "c " * 33 + "c"]
    assert lines[4].startswith(" " * 13 + "c")
    assert lines[-3:] == ["", "n", "m"]


def test_columns_without_groups_wrap_too() -> None:
    header = ("name", *(f"column {number}" for number in range(9)))
    blocks = text(Table(header, (("x", *range(9)),)), 60).split("\n\n")
    assert [block.splitlines()[0].split()[0] for block in blocks] == ["name", "name"]
    assert re.findall(r"column \d", "".join(blocks)) == list(header[1:])


def test_text_that_is_too_wide_is_listed_under_its_titles() -> None:
    table = Table(
        ("layer", "theirs", "why"), (("encoder.layer", "1,234,567 multiplications", "they count " * 5),), align="lll"
    )
    lines = text(table, 30).splitlines()
    assert lines[:4] == ["layer", "  encoder.layer", "    theirs  1,234,567", "            multiplications"]
    assert max(map(len, lines)) <= 30


# ------------------------------------------------------------------- characters
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1"])
@pytest.mark.parametrize("name", NAMES)
def test_a_text_has_only_characters_of_its_encoding(name: str, encoding: str) -> None:
    for width in (40, 80, None):
        shown = built(name).render("plain", width, encoding)
        assert shown.encode(encoding)
        assert shown.count("?") == built(name).render("plain", width).count("?"), "no character without a plain form"
        assert width is None or max(map(columns, shown.splitlines())) <= width


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3×4 − 2·x", "3x4 - 2*x"), ("∂L/∂W ← g", "dL/dW <- g"), ("10⁻⁶ + x²", "10^-6 + x^2"), ("m̂/(√v̂ + ε)", "m^/(sqrt v^ + epsilon)"),
        ("ŷ = Wᵀx", "y^ = W^Tx"), ("β₁·m + (1−β₁)·g", "beta_1*m + (1-beta_1)*g"), ("Σh", "sum h"), ("2Σ hₖ₋₁", "2 sum h_(k-1)"),
        ("⌊(H + 2p)/s⌋", "floor((H + 2p)/s)"), ("5 µs", "5 us"), ("1½", "1 1/2"), ("═══ …", "=== ..."), ("naïve Straße", "naive Strasse"),
        ("σ′", "sigma'"), ("a ≤ b", "a <= b"), ("“x” – ‘y’", "\"x\" - 'y'"), ("層", "?"),
    ],
)  # fmt: skip
def test_plain_forms(text: str, plain: str) -> None:
    assert plainly(text, "ascii") == plain
    assert text.encode("ascii", error_handler("ascii")).decode() == plain
    assert plainly(text, "utf-8") == plainly(text, None) == text


def test_columns_stay_under_each_other_in_ascii() -> None:
    table = Table(("layer", "mul", "add"), (("x̂ ×3", 1, 2), ("∂L/∂W", 10, 200), ("Σ", 3, 4), ("層", 5, 6)))
    for encoding, name in ((None, "層"), ("ascii", "?")):
        lines = text(table, 80, encoding).splitlines()
        ends = {columns(line) for line in lines}
        assert len(ends) == 1
        assert lines[-1].startswith(name)


@given(st.text(), st.integers(5, 60), st.sampled_from(["ascii", "cp437", None]))
def test_wrapping_keeps_every_character(text: str, width: int, encoding: str | None) -> None:
    shown = plainly(text, encoding)
    lines = wrapped(shown, width, "* ", "  ")
    assert all(columns(line) <= width for line in lines)
    kept = "".join(line[2:] for line in lines)
    assert [c for c in kept if c not in WHITE] == [c for c in shown if c not in WHITE]


NAMES_OF_LAYERS = st.one_of(
    st.sampled_from(["dense.1", LONG, f"{LONG} ×32", "層.重み", "∂L/∂x̂ → ŷ", ""]), st.text("ab.[]×ŷ·層 ", max_size=70)
)
AMOUNTS = st.one_of(
    st.integers(0, 10**6), st.integers(-(10**30), 10**60), st.just("–"), st.builds(Number, st.just(1.5), st.sampled_from(["45.2 µs", "1.00 GB"]))
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any table of numbers, with groups or without, with a total or without."""
    count = draw(st.integers(1, 12))
    titles = st.sampled_from(["mul", "weights", "activations", "of the whole", "×2", "λ"])
    header = ("", *draw(st.lists(titles, min_size=count, max_size=count)))
    groups = draw(st.sampled_from([(), ("", *sorted(["parameters", "backward", "loss"] * 4)[:count])]))
    row = st.tuples(NAMES_OF_LAYERS, *[AMOUNTS] * count)
    return Table(header, tuple(draw(st.lists(row, max_size=6))), groups=groups, total=draw(st.one_of(st.none(), row)))


@settings(max_examples=300)
@given(tables(), st.sampled_from([40, 47, 60, 80, 133]), st.sampled_from([None, "ascii", "cp1252"]))
def test_no_table_loses_a_column(table: Table, width: int, encoding: str | None) -> None:
    laid = table_lines(table, Page(width, encoding))
    shown = "\n".join(line.text for line in laid.lines)
    assert max((columns(line.text) for line in laid.lines), default=0) <= width
    if not table.all_rows:
        return
    for title in {*table.header, *table.groups}:
        needed = max(table.header.count(title), 1 if title in table.groups else 0) if title else 0
        is_listed = shown.startswith("  ") and "---" not in shown
        assert is_listed or shown.count(plainly(title, encoding)) >= needed, title


@given(tables())
def test_any_table_is_well_formed_in_latex(table: Table) -> None:
    text = Document("", (Section("", (table,)),)).render("latex")
    assert_well_formed(text.replace("[U+", "["))


@given(
    st.lists(st.text("ab'\"$ \\-,é層", min_size=1, max_size=90), min_size=1, max_size=5),
    st.sampled_from([40, 60, None]),
)
def test_a_command_on_any_page_is_what_it_was(words: list[str], width: int | None) -> None:
    lines = list(shell_lines(Shell("Next:", ("nncost", *words)), Page(width)))
    assert width is None or max(map(columns, lines)) <= width
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == ["Next:", "nncost", *words]
