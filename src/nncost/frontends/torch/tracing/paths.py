"""Records of a block with paths below the block, as every equal one has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def relative(calls: Sequence[Any], path: str) -> list[Any]:
    """Records with their layers' paths below a block's."""
    return [[signature, below(where, path), phase] for signature, where, phase in calls]


def below(name: str, path: str) -> str:
    """A path below another; any other path as it is."""
    return name[len(path) + 1 :] if path and name.startswith(f"{path}.") else "" if name == path else name
