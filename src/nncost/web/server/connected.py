"""Work for a client that is still there: what nobody waits for any more is not worked out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from nncost.web.server.errors import Refusal, RefusedError

Found = TypeVar("Found")
_GONE = Refusal(400, "request", "the client has gone.", closes=True)


async def while_connected(request: Request, work: Coroutine[Any, Any, Found]) -> Found:
    """Return what the work finds. Raise RefusedError, which nobody reads, if the client goes before."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise RefusedError(_GONE)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()


async def _left(request: Request) -> None:
    """Wait until the client has gone; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
