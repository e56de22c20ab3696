"""``nncost plot``: pictures in files, text with bars, and mistakes that are answered with the command that was meant."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import nncost
from nncost.cli.main import run
from nncost.views.charts import KINDS

Capture = pytest.CaptureFixture[str]
SPEC = "784-16-16-10"
pytest.importorskip("vl_convert")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", ["svg", "png", "html", "json", "SVG"])
def test_a_file(ending: str, capsys: Capture, tmp_path: Path) -> None:
    assert run(["plot", SPEC, "layers", "-o", f"x.{ending}"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"nncost: wrote x.{ending} ({SPEC}: flops by layer, batch 1)\n"
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{ending}"]


def test_text_json_and_page(capsys: Capture) -> None:
    assert run(["plot", SPEC]) == 0
    text = capsys.readouterr().out
    assert text == f"{nncost.plot(SPEC)}\n"
    assert re.search(r"dense\.1 .* 62,816  █+$", text, re.MULTILINE)
    assert run(["plot", SPEC, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == nncost.plot(SPEC).to_dict()
    assert run(["plot", SPEC, "memory", "--html"]) == 0
    page = capsys.readouterr().out
    assert "<svg" in page
    assert "<script" not in page
    assert run(["plot", SPEC, "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "dense.1,25104,0,12592,25120,62816"


@pytest.mark.parametrize("words", [["tree", SPEC], [SPEC, "tree"], [SPEC, "Icicle"], ["modules", SPEC]])
def test_the_kind_stands_anywhere(words: list[str], capsys: Capture) -> None:
    assert run(["plot", *words]) == 0
    assert capsys.readouterr().out == f"{nncost.plot(SPEC, 'tree')}\n"


def test_several_sources(capsys: Capture) -> None:
    for words in ([SPEC, "784-3-10"], [SPEC, "compare", "784-3-10"]):
        assert run(["plot", *words]) == 0
        assert capsys.readouterr().out == f"{nncost.plot([SPEC, '784-3-10'])}\n"


def test_options_are_keywords(capsys: Capture) -> None:
    assert (
        run(shlex.split("plot 784-h-10 growth --over h=2..8 --quantity forward.mul --quantity parameters.total --json"))
        == 0
    )
    chart = nncost.plot("784-h-10", "growth", over="h=2..8", quantity=["forward.mul", "parameters.total"])
    assert json.loads(capsys.readouterr().out) == chart.to_dict()
    assert run(shlex.split(f"plot {SPEC} time --on h100 --by phase --top 2 --batch 8 --json --theme dark")) == 0
    chart = nncost.plot(SPEC, "time", on="h100", by="phase", top=2, batch=8)
    assert json.loads(capsys.readouterr().out) == chart.to_dict("dark")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-o layers.pdf", "-o layers.svg"), ("--output layers.jpg", "--output layers.png"), ("-o layers", "-o layers.svg"),
        ("-o layers.svg --json", "-o layers.svg"), ("-o x.png --theme darck", "-o x.png --theme dark"), ("-o x.svg --theme dark", "-o x.svg"),
        ("--out x.svg", "--output x.svg"), ("-o x.svg --metric macs", "-o x.svg --quantity macs"),
    ],
)  # fmt: skip
def test_mistakes_about_files(typed: str, meant: str, capsys: Capture, tmp_path: Path) -> None:
    assert run(["plot", SPEC, *shlex.split(typed)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []
    assert printed.err.splitlines()[-1] == f"Try: nncost plot {SPEC} {meant}"
    assert run(["plot", SPEC, *shlex.split(meant)]) == 0
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["no/such/folder/x.svg", "a\x00b.svg", "x" * 300 + ".svg"])
def test_a_file_that_cannot_be_written(name: str, capsys: Capture, tmp_path: Path) -> None:
    assert run(["plot", SPEC, "-o", name]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_old_picture_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = nncost.plot(SPEC)
    chart.save("x.svg")
    before = (tmp_path / "x.svg").read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(nncost.NncostError, match="No space left"):
            nncost.plot("3-2").save("x.svg")
    assert (tmp_path / "x.svg").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.svg"]


def test_help_lists_the_kinds(capsys: Capture) -> None:
    assert run(["plot", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} ({kind.help})" in text for name, kind in KINDS.items())


def test_a_file_named_as_a_kind(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "tree.nncost").write_text(SPEC)
    assert run(["plot", "./tree.nncost", "tree"]) == 0
    assert "tree.nncost: parameters by module" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--on h100", "--on changes nothing about the chart layers."),
        ("--on=h100", "--on changes nothing about the chart layers."),
        ("growth --over 5", "--over takes a symbol and its sizes, as h=16..4096, received '5'."),
        ("memory --top 3", "--top changes nothing about the chart memory."),
    ],
)
def test_an_option_is_named_as_it_was_typed(typed: str, said: str, capsys: Capture) -> None:
    assert run(["plot", "784-h-10", *shlex.split(typed)]) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"nncost: error: {said}"
