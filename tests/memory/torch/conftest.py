"""The workspace of a kernel depends on how many threads share its work: two in all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

THREADS = 2


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)
