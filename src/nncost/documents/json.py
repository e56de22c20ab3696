"""A document as JSON, for results that have no schema of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from nncost.dims import is_symbolic, tidy
from nncost.documents.document import Document

SCHEMA = "nncost.document/1"
_DRAWN = "bars"
"""What a table has for the eye alone."""


def render(document: Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the title and the sections with their blocks; each object names its ``kind``."""
    return json.dumps({"schema": SCHEMA, **fields_of(document)}) + "\n"


def fields_of(value: object) -> dict[str, object]:
    """Return the fields of a block as plain data, and its ``kind``."""
    assert is_dataclass(value)
    named = {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name != _DRAWN}
    return {"kind": type(value).__name__.lower(), **named}


def _plain(value: object) -> object:
    """Lists and objects, integers of any size, formulas as text."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if is_dataclass(value):
        return fields_of(value)
    is_plain = value is None or isinstance(value, (str, float)) or not is_symbolic(value)
    return value if is_plain else str(tidy(value))
