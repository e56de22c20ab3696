"""One setting for all property tests: no clock, and the same examples in every run. No test sees the user's cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("nncost", deadline=None, derandomize=True)
settings.load_profile("nncost")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own."""
    before = os.environ.get("NNCOST_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["NNCOST_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["NNCOST_CACHE"]
    else:
        os.environ["NNCOST_CACHE"] = before
