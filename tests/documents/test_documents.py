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
BLOCKS = [
    pytest.param(match[1], match[2], id=f"{path.name}:{path.read_text()[: match.start()].count(chr(10)) + 1}")
    for path in DOCUMENTS
    for match in FENCE.finditer(path.read_text())
]


def run(command: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_block(language: str, text: str) -> None:
    if language == "python":
        parsed = doctest.DocTestParser().get_doctest(text, {}, "block", None, 0)
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(parsed)
        assert results.attempted > 0
        assert results.failed == 0
        return
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert commands
    for block in commands:
        command, _, expected = block.partition("\n")
        assert run(command) == expected


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
