"""Documents are executed: console blocks show what the commands print, Python blocks are doctests."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [match[2] for match in FENCE.finditer(path.read_text()) if match[1] == language]


CONSOLE = [
    pytest.param(text, id=f"{path.name}-{number}")
    for path in DOCUMENTS
    for number, text in enumerate(blocks(path, "console"), 1)
]
PYTHON = [pytest.param(blocks(path, "python"), id=path.name) for path in DOCUMENTS if blocks(path, "python")]


def run(command: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize("text", CONSOLE)
def test_console(text: str) -> None:
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert commands
    for block in commands:
        command, _, expected = block.partition("\n")
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


def test_example_specs_count() -> None:
    """Commands shown without their output still run."""
    import nncost

    for path in DOCUMENTS:
        for spec in re.findall(r'^nncost count "([^"]+)"', path.read_text(), re.MULTILINE):
            assert nncost.count(spec).complete
