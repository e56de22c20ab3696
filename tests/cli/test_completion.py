"""What a shell is told while a command is typed, and that the scripts that ask for it are valid."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nncost.cli.completion import SHELLS
from nncost.cli.main import run
from nncost.counting.conventions import CONVENTIONS
from nncost.explaining.topics import TOPICS
from nncost.ir.dtypes import CHOSEN_DTYPES


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    def ask(line: str) -> list[str]:
        """What zsh is offered after a line."""
        words = line.split(" ")
        monkeypatch.setenv("_NNCOST_COMPLETE", "zsh_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert run([]) in (0, 1)
        told = capsys.readouterr()
        assert told.err == ""
        lines = told.out.splitlines()
        return [":".join(item) for item in zip(lines[::3], lines[1::3], strict=True)]

    return ask


def offered(*values: str) -> list[str]:
    return [f"plain:{value}" for value in values]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("nncost co", offered("count", "coverage", "completion")), ("nncost count --opt", offered("--optimizer")),
        ("nncost count 3-2 --optimizer ada", offered("adam", "adamw", "adagrad")), ("nncost 3-2 --optimizer l", offered("lion")),
        ("nncost count 3-2 --loss CROSS", offered("cross_entropy")), ("nncost explain 3-2 --dtype ", offered(*CHOSEN_DTYPES)),
        ("nncost count 3-2 --convention ", offered(*CONVENTIONS)), ("nncost explain 3-2 --why fv", offered("fvcore")),
        ("nncost count 3-2 --by ", offered("layer", "op", "phase", "memory", "dtype", "tensor")),
        ("nncost predict 3-2 --by c", offered("cause")), ("nncost predict 3-2 --on h100", offered("h100", "h100-pcie", "h100-nvl")),
        ("nncost devices raspb", offered("raspberry-pi-5")), ("nncost docs memory", offered("memory", "memory-torch")),
        ("nncost completion ", offered(*SHELLS)), ("nncost explain 3-2 backward.cm", offered("backward.cmp")),
        ("nncost formula 3-2 parameters.w", offered("parameters.weights")), ("nncost train 3-2 --engine n", offered("numpy")),
        ("nncost train 3-2 --data dig", ["file:dig"]), ("nncost train 3-2 --save o", ["dir:o"]), ("nncost count mod", ["file:mod"]),
        ("nncost count 3-2 --no-such-option x", ["file:x"]), ("nncost plot 3-2 l", offered("layers")), ("nncost plot mod", ["file:mod"]),
        ("nncost plot 3-2 --quantity b", offered("bytes")), ("nncost plot 3-2 --theme d", offered("dark")), ("nncost plot 3-2 -o x", ["file:x"]),
        ("nncost plot 3-2 time --by ", offered("layer", "phase", "op")), ("nncost plot 3-2 time --on th", offered("this")),
    ],
)  # fmt: skip
def test_what_can_follow(line: str, values: list[str], completed: object) -> None:
    assert completed(line)[: len(values)] == values  # type: ignore[operator]


def test_topics_come_first(completed: object) -> None:
    assert completed("nncost explain 3-2 ")[: len(TOPICS)] == offered(*TOPICS)  # type: ignore[operator]


def test_completing_imports_nothing_heavy() -> None:
    script = (
        "import sys; from nncost.cli.main import run; run([]);"
        "sys.exit(' '.join({'numpy', 'sympy', 'rich', 'torch', 'lark', 'onnx'} & set(sys.modules)))"
    )
    environment = {
        **os.environ,
        "_NNCOST_COMPLETE": "bash_complete",
        "COMP_WORDS": "nncost explain 3-2 fo",
        "COMP_CWORD": "3",
    }
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stderr.strip(), "plain,forward" in done.stdout) == ("", True)


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_valid(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert "_NNCOST_COMPLETE" in script.read_text()
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    """The documented line, and what the shell then has for ``nncost count 3-2 --optimizer ada``."""
    program = tmp_path / "nncost"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nncost "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(nncost completion bash)"; COMP_WORDS=(nncost count 3-2 --optimizer ada); COMP_CWORD=4;'
        '_nncost_completion nncost; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["adam", "adamw", "adagrad"], "")
