"""``nncost docs``: every page by its name, laid out for a terminal, as Markdown in a pipe; and what leads to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nncost
from nncost.cli.docs import page, topics
from nncost.cli.main import run

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs"]) == 0
    named = re.findall(r"^([a-z-]+)  +\S", capsys.readouterr().out, re.MULTILINE)
    assert named == PAGES == list(topics())


@pytest.mark.parametrize("name", ["spec", "SPEC", "cost model", "spec.md", "docs/spec.md"])
def test_a_page_in_a_pipe_is_markdown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", name]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / f"{'cost-model' if ' ' in name else 'spec'}.md").read_text()


def test_another_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", "memroy"]) == 2
    assert "Did you mean 'memory'?" in capsys.readouterr().err


def test_messages_lead_to_pages_that_exist() -> None:
    """No message names a file of the checkout, which an installation does not have."""
    for path in Path(nncost.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"docs/[a-z-]+\.md[ :.]", text) or path.name in ("optimizers.py", "docs.py"), path
        for topic in re.findall(r"nncost docs ([a-z][a-z-]+)", text):
            assert page(topic)
