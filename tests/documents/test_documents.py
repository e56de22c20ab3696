"""Documents are executed: console blocks show what the commands print, Python blocks are doctests.

The README's commands run as a reader runs them, in a shell; those of other documents in this process, which has PyTorch.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import get_args

import pytest

import nncost
import nncost.cli.main
from nncost.counting.quantities import Quantity

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [match[2] for match in FENCE.finditer(path.read_text()) if match[1] == language]


CONSOLE = [
    pytest.param(path, text, id=f"{path.name}-{number}")
    for path in DOCUMENTS
    for number, text in enumerate(blocks(path, "console"), 1)
]
PYTHON = [pytest.param(blocks(path, "python"), id=path.name) for path in DOCUMENTS if blocks(path, "python")]


def run_here(command: str) -> str:
    """Run nncost in this process; a filter behind a pipe gets what it printed."""
    command, _, rest = command.partition(" | ")
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        nncost.cli.main.run(shlex.split(command)[1:])
    printed = output.getvalue()
    if rest:
        printed = subprocess.run(rest, shell=True, input=printed, capture_output=True, text=True, check=True).stdout
    return printed + errors.getvalue()


def run_in_shell(command: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("path", "text"), CONSOLE)
def test_console(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert commands
    for block in commands:
        command, _, expected = block.partition("\n")
        run = run_here if command.startswith("nncost ") and path.name != "README.md" else run_in_shell
        assert run(command) == expected


@pytest.mark.parametrize("texts", PYTHON)
def test_python(texts: list[str]) -> None:
    """The blocks of a document in one session, in their order; those without prompts are definitions."""
    names: dict[str, object] = {"__name__": "document"}
    for text in texts:
        if not text.startswith(">>>"):
            exec(compile(text, "document", "exec", dont_inherit=True), names)
            continue
        parsed = doctest.DocTestParser().get_doctest(text, names, "block", None, 0)
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(parsed, clear_globs=False)
        names = parsed.globs
        assert results.attempted > 0
        assert results.failed == 0


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_quantity_has_its_name_in_the_report_document() -> None:
    named = set(
        re.findall(r"\w+", (ROOT / "docs/report.md").read_text().partition("Quantities: ")[2].partition("```")[0])
    )
    assert named.issuperset(get_args(Quantity))


def test_example_specs_count() -> None:
    """Commands shown without their output still run."""
    for path in DOCUMENTS:
        for spec in re.findall(r'^nncost count "([^"]+)"', path.read_text(), re.MULTILINE):
            assert nncost.count(spec).complete
