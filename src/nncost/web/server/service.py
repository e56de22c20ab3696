"""How an answer is found: in memory, with those who ask the same at this moment, or by a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from nncost.web.server.limits import Limits
from nncost.web.server.memory import AnswerMemory, key_of
from nncost.web.server.pool import Pool, Reply
from nncost.web.server.uploads import Uploads

OK = 200


class _Shared:
    """A question that is being answered, and how many wait for it."""

    def __init__(self, answering: asyncio.Task[Reply]) -> None:
        self.answering, self.waiting = answering, 0


class Service:
    """The answers of one server."""

    def __init__(self, limits: Limits, pool: Pool, uploads: Uploads) -> None:
        self.limits, self.pool, self.uploads = limits, pool, uploads
        self._memory = AnswerMemory(limits.cache_bytes)
        self._shared: dict[bytes, _Shared] = {}

    def remembered(self, name: str, request: Mapping[str, Any]) -> bytes | None:
        """Return the answer if it was given before, and what it is about is still here."""
        if self._is_gone(request):
            return None
        return self._memory.get(key_of(name, request))

    async def answer(self, name: str, request: Mapping[str, Any]) -> Reply:
        """Return the answer to a request. Raise BusyError if too many wait.

        Who asks the same meanwhile gets the same answer; if all who wait go, it is not worked on.
        """
        key = key_of(name, request)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(asyncio.create_task(self._found(key, name, request)))
            shared.answering.add_done_callback(partial(self._forget, key, shared))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.answering)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.answering.done():
                shared.answering.cancel()
                self._forget(key, shared)

    def _forget(self, key: bytes, shared: _Shared, _: object = None) -> None:
        if self._shared.get(key) is shared:
            del self._shared[key]

    async def _found(self, key: bytes, name: str, request: Mapping[str, Any]) -> Reply:
        reply = await self.pool.ask(name, request, self.uploads.paths(request.get("source")))
        if reply.status == OK:
            self._memory.keep(key, reply.body)
        return reply

    def _is_gone(self, request: Mapping[str, Any]) -> bool:
        source = request.get("source")
        return self.uploads.is_named(source) and not self.uploads.paths(source)
