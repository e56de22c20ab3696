"""What tests of PyTorch modules share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count operations alone: memory has tests of its own, and following it takes more than half of the time."""
    from nncost.frontends.torch import load

    def not_followed(*_: Any) -> tuple[None, int, int]:
        return None, 0, 0

    monkeypatch.setattr(load, "timeline_of", not_followed)
