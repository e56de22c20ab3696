"""A real server for tests: uvicorn with nncost's application and protocol at a free port, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from nncost.web.server.app import application
from nncost.web.server.guard import Guard
from nncost.web.server.limits import Limits
from nncost.web.server.protocol import config
from nncost.web.server.run import address_of, listening

PATIENCE = 90.0


def send(method: str, url: str, **more: Any) -> httpx.Response:
    """Ask without reading the system's certificates, which takes longer than most answers."""
    return httpx.request(method, url, verify=False, **more)


class Serving(NamedTuple):
    """A server that runs: where, and its application."""

    url: str
    guard: Guard

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def service(self) -> Any:
        return self.guard.application.state.service  # type: ignore[attr-defined]

    def post(self, name: str, request: Any, **more: Any) -> httpx.Response:
        return send("POST", f"{self.url}api/{name}", json=request, timeout=PATIENCE, **more)

    def ask(self, name: str, request: Any) -> Any:
        answer = self.post(name, request)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return send("POST", f"{self.url}api/upload", files={"file": (name, content)}, timeout=PATIENCE)

    def health(self) -> Any:
        return send("GET", f"{self.url}health", timeout=PATIENCE).json()

    def wait_for(self, **wanted: int) -> None:
        """Wait until the health has these values."""
        end = time.monotonic() + PATIENCE
        while any(self.health()[name] != value for name, value in wanted.items()):
            assert time.monotonic() < end, self.health()
            time.sleep(0.05)


@contextmanager
def served(limits: Limits, host: str = "127.0.0.1") -> Iterator[Serving]:
    """Serve while the block runs; when it ends, the server ends in good order."""
    from uvicorn import Server

    own = listening(host, 0)
    guard = application(limits, host)
    server = Server(config(guard, limits))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([own])))
    thread.start()
    try:
        serving = Serving(address_of(own), guard)
        serving.wait_for(workers=limits.workers)
        yield serving
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
