"""The tables of ``docs/huggingface.md`` are those of the code."""

from __future__ import annotations

from pathlib import Path

from nncost.frontends.huggingface.default_inputs import CONTEXT, DEFAULTS
from nncost.frontends.huggingface.inputs import SHORT_NAMES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "huggingface.md").read_text()


def test_defaults() -> None:
    for rule in DEFAULTS:
        assert f"| {rule.kind} | `{rule.inputs}` | batch × {rule.axes} | {rule.sizes} |" in TEXT
    assert TEXT.count("| batch × ") == len(DEFAULTS)
    assert all(f"`{name}`" in TEXT for name in CONTEXT)


def test_short_names() -> None:
    for short, full in SHORT_NAMES.items():
        row = next(line for line in TEXT.splitlines() if line.startswith("|") and f"`{short}`" in line.split("|")[1])
        assert row.split("|")[2].strip() == " or ".join(f"`{name}`" for name in full)
