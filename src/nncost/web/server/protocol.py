"""HTTP as uvicorn speaks it, with what it leaves open: connections are limited, a head must come in time, and errors are ours."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from nncost.web.server.errors import MALFORMED, Refusal, busy, too_slow
from nncost.web.server.headers import FRESH, SECURITY
from nncost.web.server.limits import Limits


def limited_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """Return the protocol of a server with these limits."""

    class Limited(H11Protocol):
        """A connection that must send a head in time."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(cast("asyncio.Transport", transport))
            if len(self.connections) > limits.connections:
                self._refuse(busy(limits.retry_after_seconds, closes=True))
            else:
                self._deadline = self.loop.call_later(limits.body_seconds, self._too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            self._met()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before:
                self._met()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
                self._met()
                self._deadline = self.loop.call_later(limits.body_seconds, self._too_slow)

        def send_400_response(self, msg: str) -> None:
            self._refuse(MALFORMED)

        def _met(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _too_slow(self) -> None:
            if not self.transport.is_closing():
                self._refuse(too_slow(limits.body_seconds))

        def _refuse(self, refusal: Refusal) -> None:
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(written(refusal))
            self.transport.close()

    return Limited


def written(refusal: Refusal) -> bytes:
    """Return a refusal as it stands on the wire."""
    status = HTTPStatus(refusal.status)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    head += [name + b": " + value for name, value in (*refusal.headers(), *SECURITY, FRESH)]
    return b"\r\n".join(head) + b"\r\n\r\n" + refusal.body()


def config(application: Any, limits: Limits) -> Any:
    """Return how uvicorn runs an application: nothing is logged, nothing is believed of proxies, no WebSockets."""
    from uvicorn import Config

    return Config(
        application, http=limited_protocol(limits), ws="none", lifespan="on", log_config=None, log_level="critical",
        access_log=False, proxy_headers=False, server_header=False, timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=2**16, backlog=limits.connections,
    )  # fmt: skip
