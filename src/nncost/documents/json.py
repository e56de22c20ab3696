"""A document as JSON: its blocks in reading order, for results that have no schema of their own."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass

from nncost.dims import is_symbolic, tidy
from nncost.documents.document import Document

SCHEMA = "nncost.document/1"


def render(document: Document, width: int | None = None) -> str:
    """Return the title and the sections; each block is an object whose ``block`` is its kind."""
    sections = [
        {"title": section.title, "blocks": [{"block": type(block).__name__.lower(), **_fields(block)} for block in section.blocks]}
        for section in document.sections
    ]  # fmt: skip
    return json.dumps({"schema": SCHEMA, "title": document.title, "sections": sections}) + "\n"


def _fields(value: object) -> dict[str, object]:
    assert is_dataclass(value)
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: object) -> object:
    """Mathematics in both forms, integers of any size, formulas as text."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return _fields(value)
    if value is None or isinstance(value, (str, float)) or not is_symbolic(value):
        return value
    return str(tidy(value))
