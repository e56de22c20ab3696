"""``nncost predict --budget`` and ``--verbose`` as a person meets them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError
from nncost.timing.devices.profile_store import save_profile
from tests.timing.machines import made_up

PRINTS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        print("here I am")
        return self.layer(x)
"""


@pytest.fixture(autouse=True)
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    save_profile(made_up())
    return


def test_json_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "8-6-4", "--batch", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["label"] == "rehearsed"
    assert said["how"].startswith("rehearsed ")
    assert set(said["noise"]) == {"halves", "reference"}
    assert set(said["operators_alone"]) == {"forward", "backward", "update", "step"}
    assert run(["predict", "8-6-4", "--batch", "2", "--budget", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["label"] == "calibrated"
    assert "noise" not in said


def test_verbose_shows_the_operators_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for budget, verbose, expected in (("100ms", False, False), ("100ms", True, True), ("0", True, False)):
        arguments = ["predict", "8-6-4", "--budget", budget, *(["--verbose"] if verbose else [])]
        assert run(arguments) == 0
        shown = capsys.readouterr().out
        assert ("alone they say" in " ".join(shown.split())) == expected
        assert max(map(len, shown.splitlines())) <= 80


def test_a_model_that_prints_does_not_break_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.py").write_text(PRINTS)
    assert run(["predict", "net.py:Net", "--input", "2x4", "--loss", "sum", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "rehearsed"


@pytest.mark.parametrize("form", [["--budget", "5s"], ["--budget=5s"], ["--budget", "0"]])
def test_nothing_runs_on_another_device(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "784-16-10", "--on", "h100", *form]) == 2
    said = capsys.readouterr().err
    assert "nothing runs on h100" in said
    command = re.search(r"^ *(?:\w+: +)?(nncost predict .*)$", said, re.MULTILINE)
    assert command is not None, said
    assert run(shlex.split(command[1])[1:]) == 0


@pytest.mark.parametrize("budget", ["", "soon", "-1", "1e9", "3 days", "nan", "inf", "0x10"])
def test_what_is_no_time_is_refused(budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "8-6-4", f"--budget={budget}"]) == 2
    said = capsys.readouterr().err
    assert "--budget" in said
    assert "Traceback" not in said


def test_the_same_from_python() -> None:
    assert nncost.predict("8-6-4", batch=2, budget="100ms").label == "rehearsed"
    assert nncost.predict("8-6-4", batch=2, budget=0).label == "calibrated"
    with pytest.raises(OptionError, match="budget is a time"):
        nncost.predict("8-6-4", budget="soon")
    with pytest.raises(OptionError, match="nothing runs on h100"):
        nncost.predict("8-6-4", on="h100", budget=1)
