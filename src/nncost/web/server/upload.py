"""The route that receives a file, as it comes, within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request

from nncost.web.server.errors import RefusedError, too_large, too_slow
from nncost.web.server.form import received_file
from nncost.web.server.guard import parts
from nncost.web.server.limits import Limits
from nncost.web.server.service import Service
from nncost.web.server.uploads import Upload

_FORM_BYTES = 2**16
"""What a form has besides its file, at most."""


async def received(request: Request, service: Service) -> Upload:
    """Return the file of a request. Raise RefusedError for one that is too large or does not come in time."""
    limits = service.limits
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length[:20]) > limits.upload_bytes + _FORM_BYTES:
        raise RefusedError(too_large(limits.upload_bytes))
    try:
        async with asyncio.timeout(limits.upload_seconds):
            return await received_file(
                request.headers.get("content-type", ""), _chunks(request, limits), service.uploads
            )
    except TimeoutError:
        raise RefusedError(too_slow(limits.upload_seconds)) from None


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body in parts, each of which must come in time."""
    total, coming = 0, aiter(parts(request.receive))
    while True:
        try:
            async with asyncio.timeout(limits.body_seconds):
                part = await anext(coming)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RefusedError(too_slow(limits.body_seconds)) from None
        total += len(part)
        if total > limits.upload_bytes + _FORM_BYTES:
            raise RefusedError(too_large(limits.upload_bytes))
        yield part
