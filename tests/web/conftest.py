"""One server for all tests that need no limits of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the server is of the extra web")

from nncost.web.server.limits import Limits
from tests.web.serving import Serving, served


@pytest.fixture(scope="session")
def server() -> Iterator[Serving]:
    with served(Limits(workers=2)) as serving:
        yield serving
