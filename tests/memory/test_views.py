"""Memory as it is shown, asked for and handed on."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

import nncost
from nncost.cli.main import run
from nncost.counting.memory.memory import AMOUNTS


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["count", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--latex"]])
def test_every_summary_has_a_part(capsys: pytest.CaptureFixture[str], form: list[str]) -> None:
    text = printed(capsys, "784-16-16-10", "--optimizer", "adam", "--fits", "8GiB", *form)
    for words in ("Memory of one step", "159,200 bytes", "104,016 optimizer state", "211,276 bytes", "dense.1 backward", "largest batch in 8 GiB"):  # fmt: skip
        assert words in " ".join(text.replace("**", "").split())


def test_a_terminal_has_a_part() -> None:
    from nncost.views.count import count_document

    assert "107,260 bytes" in count_document(nncost.count("784-16-16-10")).render("terminal", 80)


def test_the_part_keeps_to_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(
        capsys, "3x32x32, conv 16 3x3, batchnorm, flatten, dense 10", "--optimizer", "adam", "--fits", "8GiB"
    )
    part = text[text.index("Memory of one step") : text.index("Free by rule")]
    assert max(map(len, part.splitlines())) <= 80


def test_inference_has_no_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "784-16-16-10", "--loss", "none")
    assert "forward, peak" in text
    assert "gradients" not in text[text.index("Memory of one step") :]


def test_the_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "784-16-16-10", "--by", "memory")
    (line,) = (line for line in text.splitlines() if "◄ peak" in line)
    assert line.split() == ["dense.1", "backward", "◄", "peak", "50,304", "192", "107,196", "107,260"]
    assert "dense.2 forward" in text
    assert "One step" not in text
    symbolic = printed(capsys, "784-h-10", "--by", "memory")
    assert "dense.1 backward" in symbolic
    assert "3,144·h" in symbolic


def test_the_timeline_cut_to_a_depth(capsys: pytest.CaptureFixture[str]) -> None:
    spec = "8x3, dense 4, [residual[layernorm, attention heads=2]]*4, dense 2"
    whole = printed(capsys, spec, "--by", "memory")
    text = printed(capsys, spec, "--by", "memory", "--depth", "1")
    assert "attention" in whole
    table = text[text.index("Memory by layer") : text.index("Memory of one step")]
    assert "attention" not in table
    assert "repeat.1 backward ◄ peak" in table
    assert f"{nncost.count(spec).memory.step_peak:,}" in table


def test_csv_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert "memory" not in printed(capsys, "784-16-16-10", "--csv")


def test_quantities_by_path() -> None:
    report = nncost.count("784-16-16-10")
    assert report.quantity("memory.step_peak") == report.memory.step_peak == 107_260
    for name in set(AMOUNTS) - {"reserved_peak"}:
        assert report.quantity(f"memory.{name}") == getattr(report.memory, name)
    with pytest.raises(nncost.NncostError, match=r"memory\.\{parameters,gradients,optimizer_state"):
        report.quantity("memory.cost")
    with pytest.raises(nncost.NncostError, match=r"memory\.reserved_peak is not known"):
        report.quantity("memory.reserved_peak")


def test_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["formula", "784-16-16-10", "memory.step_peak", "--batch", "B", "--at", "B=64"]) == 0
    text = capsys.readouterr().out
    assert "max(3,240·B + 104,020; 3,432·B + 52,692)" in text
    assert f"{max(3240 * 64 + 104_020, 3432 * 64 + 52_692):,}" in text
    formula = nncost.formula("784-16-16-10", "memory.step_peak", batch="B")
    scope: dict[str, Any] = {}
    exec(formula.python(), scope)
    for batch in (1, 64, 1_000):
        assert scope["memory_step_peak"](batch) == nncost.count("784-16-16-10", batch=batch).memory.step_peak


def test_plain_data() -> None:
    for source, settings in (("784-16-16-10", {}), ("784-h-10", {"batch": "B"}), ("h0-h1-...-hl", {})):
        report = nncost.count(source, **settings)
        data = report.to_dict()
        assert json.loads(json.dumps(data))["memory"] == data["memory"]
        assert pickle.loads(pickle.dumps(report.memory)) == report.memory
    for name in ("parameters", "gradients", "optimizer_state", "activations", "workspace", "forward_peak", "step_peak", "step_peak_at"):  # fmt: skip
        assert name in data["memory"]


def test_what_has_no_closed_form_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    memory = nncost.count("h0-h1-...-hl").to_dict()["memory"]
    assert memory["step_peak"] is memory["activations"] is None
    assert not memory["exact"]
    assert "no closed form" in memory["notes"][0]
    assert memory["gradients"] == memory["parameters"] != 0
    assert run(["count", "h0-h1-...-hl", "--by", "memory"]) == 2
    assert "no timeline" in capsys.readouterr().err


def test_peaks_of_too_many_formulas_are_not_known() -> None:
    memory = nncost.count("-".join(f"n{i}" for i in range(100))).memory
    assert memory.step_peak is None
    assert memory.activations is not None
    assert not memory.exact
    assert "give some of them numbers" in memory.notes[-1]


@pytest.mark.parametrize("depth", [2, 4, 39])
def test_blocks_within_blocks(depth: int) -> None:
    """Each level is walked several times, so a deep nesting is not walked at all."""
    report = nncost.count("4, " + "[dense 4, " * depth + "dense 4" + "]*2" * depth)
    assert (report.memory.step_peak is None) == (depth > 30)
    assert (not report.memory.notes) == (depth < 30)


def test_the_layer_of_a_symbolic_peak() -> None:
    memory = nncost.count("784-16-16-10", batch="B").memory
    assert memory.step_peak_at is None  # dense.1 for few examples, dense.2 for many.
    assert {candidate.path for candidate in memory.candidates} == {"dense.1", "dense.2"}
    assert nncost.count("784-16-16-10", batch=1).memory.step_peak_at == "dense.1"
    assert nncost.count("784-16-16-10", batch=10_000).memory.step_peak_at == "dense.2"
    assert nncost.count("784-16-16-10", batch="B", loss="none").memory.step_peak_at == "dense.1"


@pytest.mark.parametrize(
    ("amount", "text"),
    [(8 * 2**30, "8 GiB"), (8 * 10**9, "8 GB"), (1_500, "1,500 bytes"), (1_000, "1 kB"), (2**20, "1 MiB"), (7, "7 bytes")],
)  # fmt: skip
def test_sizes_as_they_were_given(amount: int, text: str) -> None:
    from nncost.views.memory import size_text

    assert size_text(amount) == text


def test_wrong_sizes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "784-10", "--fits", "many"]) == 2
    assert "fits takes a number of bytes, received 'many'" in capsys.readouterr().err
