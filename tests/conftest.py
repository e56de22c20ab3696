"""One setting for all property tests: no clock, and the same examples in every run."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("nncost", deadline=None, derandomize=True)
settings.load_profile("nncost")
