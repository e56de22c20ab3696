"""The command line: what is said where, exit codes, Ctrl-C, and never a traceback."""

from __future__ import annotations

import inspect
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import nncost
from nncost.cli.main import run
from nncost.cli.train import command
from tests.trainer.tables import DIGITS, blobs

DIGITS_COMMAND = ["train", "64-64:relu-10:softmax", "--data", str(DIGITS), "--target", "digit", "--engine", "numpy"]
BLOBS = ["train", "3-8:relu-3:softmax", "--target", "kind", "--engine", "numpy", "--batch", "8"]
SECONDS = 60


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_of_the_issue(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, talk = said(capsys, *DIGITS_COMMAND, "--epochs", "20", "--batch", "32", "--optimizer", "adam")
    assert code == 0
    accuracy = re.search(r"^test accuracy (\d+\.\d) % \(359 rows\)$", out, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 95
    assert re.search(r"^ +predicted +measured +ratio$", out, re.MULTILINE)
    for title in ("operations of a step", "seconds of a step", "seconds of the run", "memory of a step"):
        assert re.search(rf"^{title} .+\d\.\d\d$", out, re.MULTILINE), title
    assert len(re.findall(r"^epoch +\d+/20  loss \d\.\d{4}  training accuracy \d+\.\d %", talk, re.MULTILINE)) == 20
    assert "1,438 for training, 359 for the test" in talk
    assert "a step," in talk.split("epoch  1/20")[0]


def test_json_stands_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, *DIGITS_COMMAND, "--epochs", "2", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["schema"] == "nncost.training/1"
    assert told["test_accuracy"] > 0.8
    for kind in ("operations", "seconds", "memory"):
        assert told["predicted"][kind]
        assert told["measured"][kind]
        assert told["ratio"][kind]
    assert told["classes"] == [str(digit) for digit in range(10)]
    assert len(told["history"]) == told["epochs"] == 2


def test_every_keyword_has_its_option() -> None:
    from nncost.trainer.settings import TrainingSettings

    options = {parameter.name for parameter in command.params}
    keywords = set(inspect.signature(nncost.train).parameters)
    assert keywords == options - {"form", "verbose"}
    assert set(TrainingSettings.__slots__) <= keywords


def test_options_arrive(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(blobs(tmp_path / "t.csv"))
    options = {
        "epochs": "3", "batch": "16", "optimizer": "momentum", "learning_rate": "0.05", "loss": "squared_error",
        "seed": "7", "test_share": "0.3", "validation_share": "0.25", "patience": "2", "task": "classification",
    }  # fmt: skip
    given = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
    arguments = ["train", "2-h-3", "--symbol", "h=4", "--data", path, "--target", "kind", "--ignore", "b", "--json"]
    code, out, _ = said(capsys, *arguments, "--engine", "numpy", "--freeze", "dense.1", *given)
    assert code == 0
    told = json.loads(out)
    settings = {name: str(told["settings"][name]) for name in options}
    assert settings == options
    assert told["settings"]["ignore"] == ["b"]
    assert told["rows"] == {"train": 39, "validation": 24, "test": 27}
    counted = nncost.count("2-4-3", batch=16, optimizer="momentum", freeze="dense.1")
    assert told["predicted"]["operations"]["step"] == counted.step.flops


def test_a_spec_from_standard_input(tmp_path: Path) -> None:
    path = str(blobs(tmp_path / "t.csv"))
    done = nncost_process(
        ["train", "-", "--data", path, "--target", "kind", "--epochs", "1", "--engine", "numpy"], text="3-3"
    )
    assert done.returncode == 0
    assert "test accuracy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["train", "3-3"], "--data examples/digits.csv"),
        ([*BLOBS, "--data", "none.csv"], "none.csv does not exist"),
        ([*BLOBS, "--data", "{blobs}", "--epochs", "ten"], "--epochs takes a whole number ≥ 1, received 'ten'"),
        ([*BLOBS, "--data", "{blobs}", "--learning-rate", "fast"], "takes a number such as 0.01, received 'fast'"),
        ([*BLOBS, "--data", "{blobs}", "--learning-rate", "nan"], "--learning-rate must be a number"),
        ([*BLOBS, "--data", "{blobs}", "--seed", "-1"], "--seed takes"),
        ([*BLOBS, "--data", "{blobs}", "--task", "magic"], "unknown task 'magic'"),
        ([*BLOBS, "--data", "{blobs}", "--resume", "none"], "no training to resume at none"),
        ([*BLOBS, "--data", "{blobs}", "--wrong"], "train has no option '--wrong'"),
        ([*BLOBS, "--data", "{blobs}", "--symbol", "h"], "--symbol takes NAME=N"),
    ],
)
def test_wrong_usage_is_one_message(tmp_path: Path, arguments: list[str], fragment: str) -> None:
    path = str(blobs(tmp_path / "t.csv"))
    done = nncost_process([path if text == "{blobs}" else text for text in arguments])
    assert done.returncode == 2
    assert done.stdout == ""
    assert fragment in done.stderr
    assert "Traceback" not in done.stderr


def nncost_process(arguments: list[str], text: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", "from nncost.cli.main import main; main()", *arguments]
    return subprocess.run(call, input=text, capture_output=True, text=True, timeout=SECONDS, **settings)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_where(tmp_path: Path, number: int) -> None:
    call = [sys.executable, "-c", "from nncost.cli.main import main; main()", *BLOBS, "--epochs", "1000000",
            "--data", str(blobs(tmp_path / "t.csv"))]  # fmt: skip
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        process.send_signal(number)
        out, talk = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "interrupted after" in out
    words = shlex.split(talk[talk.index("Next: ") + len("Next: ") :])
    assert sorted(words) == sorted(
        [
            "nncost",
            *BLOBS,
            "--epochs",
            "1000000",
            "--data",
            str(tmp_path / "t.csv"),
            "--resume",
            "3-8-relu-3-softmax-training",
        ]
    )
    assert "Traceback" not in talk
    told = json.loads((tmp_path / "3-8-relu-3-softmax-training" / "training.json").read_text())
    done = nncost_process([*BLOBS, "--data", "t.csv", "--resume", "3-8-relu-3-softmax-training",
                           "--epochs", str(told["epochs"] + 2), "--json"], cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 9 * (told["epochs"] + 2)


def test_a_terminal_sees_a_bar(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    call = [sys.executable, "-c", "from nncost.cli.main import main; main()", *BLOBS, "--epochs", "30",
            "--data", str(blobs(tmp_path / "t.csv"))]  # fmt: skip
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=follower, env=environment) as process:
        os.close(follower)
        seen, deadline = b"", time.monotonic() + SECONDS
        while time.monotonic() < deadline and select.select([leader], [], [], SECONDS)[0]:
            try:
                seen += os.read(leader, 10_000)
            except OSError:
                break
        assert process.wait(timeout=SECONDS) == 0
    os.close(leader)
    text = seen.decode()
    assert "epoch 30/30" in text
    assert "100%" in text
    assert re.search(r"loss .*\d\.\d{4}", text)
    assert "accuracy" in text


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """The shell's limit on the size of a file stands for a full disk; the signal it sends is ignored by Python."""
    path = blobs(tmp_path / "t.csv")
    script = f"ulimit -f 1; exec {sys.executable} -c 'from nncost.cli.main import main; main()' train 3-300:relu-3 \
        --data {path} --target kind --engine numpy --batch 8 --epochs 2 --save {tmp_path / 'out'}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_help_leads_with_examples() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    assert text.index("nncost train 64-64:relu-10:softmax") < text.index("Options:")
