"""What a network computes: the report, exactly as ``nncost count --json`` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def count(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report's own JSON."""
    from nncost.api import count as counted

    return counted(**request).to_dict()
