"""Worker processes and the requests that wait for them: a few warm processes, one request at a time each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nncost.web.server.limits import Limits
from nncost.web.server.process import WorkerEndedError, WorkerProcess
from nncost.web.server.worker import FAILED, REFUSED, over_limit

_BEFORE_ANOTHER_START, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries to start a process; they double."""


class BusyError(Exception):
    """As many requests wait as may wait, or this one has waited long enough."""


class Reply(NamedTuple):
    """A status and a body in JSON."""

    status: int
    body: bytes


class _Job(NamedTuple):
    content: bytes
    seconds: float
    reply: asyncio.Future[Reply]


class Pool:
    """Answers requests by worker processes; a process that is stuck, spent or gone is replaced."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits, self._folder = limits, folder
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(limits.queue)
        self._slots: list[asyncio.Task[None]] = []
        self._ready = 0

    @property
    def ready(self) -> int:
        """How many processes can be asked, or are being asked."""
        return self._ready

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._jobs.qsize()

    def start(self) -> None:
        """Start the processes, in the background."""
        self._slots = [asyncio.create_task(self._serve()) for _ in range(self._limits.workers)]

    async def stop(self) -> None:
        """End all processes."""
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)
        self._slots = []

    async def ask(self, name: str, request: Mapping[str, Any], uploads: Mapping[str, str]) -> Reply:
        """Return the answer of that name to a request. Raise BusyError if too many wait.

        A request that nobody waits for any more, because this call was cancelled, is not worked on.
        """
        seconds = self._limits.file_seconds if uploads else self._limits.seconds
        content = json.dumps({"name": name, "request": request, "uploads": uploads, "seconds": seconds}).encode()
        job = _Job(content, seconds, asyncio.get_running_loop().create_future())
        if self._jobs.full():
            self._forget_abandoned()
        try:
            self._jobs.put_nowait(job)
            async with asyncio.timeout(self._limits.queue_seconds + seconds):
                return await job.reply
        except (asyncio.QueueFull, TimeoutError):
            raise BusyError from None

    async def _serve(self) -> None:
        """Keep one process running and busy, as long as the server runs."""
        pause = _BEFORE_ANOTHER_START
        while True:
            try:
                worker = await WorkerProcess.started(self._folder, self._limits)
            except WorkerEndedError as error:
                sys.stderr.write(f"nncost: {error.why} The next try is in {pause:g} s.\n")
                self._give_up(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _BEFORE_ANOTHER_START
            self._ready += 1
            try:
                await self._work(worker)
            finally:
                self._ready -= 1
                await worker.end()

    def _give_up(self, error: WorkerEndedError) -> None:
        """Tell those who wait that there is no process, if there is none."""
        while not self._ready and not self._jobs.empty():
            job = self._jobs.get_nowait()
            if not job.reply.done():
                job.reply.set_result(_no_answer(error))

    async def _work(self, worker: WorkerProcess) -> None:
        """Give one process a request after the other, until it has had its share or is gone."""
        for _ in range(self._limits.requests_of_worker):
            job = await self._next()
            try:
                reply = await _reply(worker, job)
            except asyncio.CancelledError:
                job.reply.cancel()
                raise
            with contextlib.suppress(asyncio.InvalidStateError):  # who asked may have gone
                job.reply.set_result(reply)
            if not worker.is_alive:
                return

    def _forget_abandoned(self) -> None:
        """Take out the requests that nobody waits for."""
        waiting = [self._jobs.get_nowait() for _ in range(self._jobs.qsize())]
        for job in waiting:
            if not job.reply.done():
                self._jobs.put_nowait(job)

    async def _next(self) -> _Job:
        while True:
            job = await self._jobs.get()
            if not job.reply.done():
                return job


async def _reply(worker: WorkerProcess, job: _Job) -> Reply:
    try:
        return Reply(*await worker.ask(job.content, job.seconds))
    except WorkerEndedError as error:
        return _no_answer(error)


def _no_answer(error: WorkerEndedError) -> Reply:
    if error.over_limit:
        return Reply(REFUSED, json.dumps(over_limit(error.why)).encode())
    failure = {"error": {"code": "internal", "message": error.why}}
    return Reply(FAILED, json.dumps(failure).encode())
