"""What stands before the application: who asks, how much, how long, and what every answer has.

It is written as plain ASGI, so that an answer from memory costs little more than an empty one.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nncost.web.server.errors import ENDING, INTERNAL, JSON, Refusal, RefusedError, busy, too_large, too_slow
from nncost.web.server.headers import FRESH, SECURITY
from nncost.web.server.limits import Limits
from nncost.web.server.origins import Origins

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
UPLOAD = "/api/upload"
"""Where files are received, which are read as they come."""
_IGNORED = (b"range", b"if-range")
"""Files here are small and sent whole, whatever part of them is asked for."""
_DRAINED_SECONDS, _DRAINED_BYTES = 1.0, 16 * 2**20
"""How long, and how much of, a body that nobody wants is read, so that its sender reads the refusal."""


class Guard:
    """An application behind the checks and limits of a server."""

    def __init__(self, application: Application, limits: Limits, origins: Origins) -> None:
        self.application, self._limits, self._origins = application, limits, origins
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.application(scope, receive, send)
            return
        answer = _Answer(send)
        self._open += 1
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._answer(scope, receive, answer)
        except RefusedError as refused:
            await answer.refuse(refused.refusal, receive)
        except TimeoutError:
            if answer.has_started:
                raise
            await answer.refuse(busy(self._limits.retry_after_seconds, closes=True), receive)
        except asyncio.CancelledError:  # by a server that ends
            if not answer.has_started:
                with contextlib.suppress(Exception):
                    await answer.refuse(ENDING, receive)
            raise
        except Exception as error:  # noqa: BLE001 - nothing of it may reach a client
            sys.stderr.write("".join(traceback.format_exception(error)))
            await answer.refuse(INTERNAL, receive)
        finally:
            self._open -= 1

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers = dict(scope["headers"])
        refusal = self._origins.refusal(scope["method"], headers)
        if refusal is not None:
            raise RefusedError(refusal)
        if self._open > self._limits.requests:
            raise RefusedError(busy(self._limits.retry_after_seconds, closes=True))
        if scope["path"] != UPLOAD and (b"content-length" in headers or b"transfer-encoding" in headers):
            _check_type(scope["method"], headers)
            receive = _again(await self._body(headers, receive), receive)
        scope["headers"] = [each for each in scope["headers"] if each[0] not in _IGNORED]
        await self.application(scope, receive, answer.send)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The whole body of a request. Raise RefusedError for one that is too large or does not come."""
        limit, body = self._limits.body_bytes, bytearray()
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > limit:
            raise RefusedError(too_large(limit))
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for part in parts(receive):
                    body += part
                    if len(body) > limit:
                        raise RefusedError(too_large(limit))
        except TimeoutError:
            raise RefusedError(too_slow(self._limits.body_seconds)) from None
        return bytes(body)


async def parts(receive: Receive) -> Any:
    """Yield a body as it comes. Raise RefusedError if its sender goes."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(Refusal(400, "request", "the request was not sent to its end.", closes=True))
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _check_type(method: str, headers: dict[bytes, bytes]) -> None:
    """Questions are JSON: what a form of another page can send without being asked is not."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if method == "POST" and kind != JSON:
        raise RefusedError(
            Refusal(415, "request", f"requests are {JSON} here, received {kind[:60] or 'no type'!r}.", closes=True)
        )
    if b"content-encoding" in headers:
        raise RefusedError(Refusal(415, "request", "requests are not compressed here.", closes=True))


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that has been read once more, and then what comes after it."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


class _Answer:
    """The way to the client: each answer that begins gets the headers that all have."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            own = list(message.get("headers", ()))
            fresh = () if any(name == FRESH[0] for name, _ in own) else (FRESH,)
            message = {**message, "headers": [*own, *SECURITY, *fresh]}
        await self._send(message)

    async def refuse(self, refusal: Refusal, receive: Receive) -> None:
        """Answer with a refusal, unless an answer has begun: then the connection ends."""
        if self.has_started:
            raise ConnectionError(refusal.message)
        if refusal.closes:
            await _drain(receive)
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers()})
        await self.send({"type": "http.response.body", "body": refusal.body()})


async def _drain(receive: Receive) -> None:
    read = 0
    with contextlib.suppress(TimeoutError, RefusedError):
        async with asyncio.timeout(_DRAINED_SECONDS):
            async for part in parts(receive):
                read += len(part)
                if read > _DRAINED_BYTES:
                    return
