"""One worker process as the server sees it: bytes go in, a status and bytes come out, and it can be ended at any time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from nncost.web.server.frames import READY, REPLY, REQUEST
from nncost.web.server.limits import Limits
from nncost.web.server.worker import NO_MEMORY

STATUSES = frozenset({200, 422, 500, 501})
"""What a worker may answer."""
_START_SECONDS = 60.0
_QUIET = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}  # fmt: skip
"""Nothing is fetched, and one request takes one core."""


_WITHOUT_MEMORY = (NO_MEMORY, *(-getattr(signal, name, 0) for name in ("SIGKILL", "SIGABRT")))
"""How a process ends without memory: it says so, the system ends it, or a library gives up."""


class WorkerEndedError(Exception):
    """The process is gone or said what no worker says; ``why`` is for whoever asked."""

    def __init__(self, why: str, *, over_limit: bool) -> None:
        super().__init__(why)
        self.why, self.over_limit = why, over_limit


class WorkerProcess:
    """A process that answers one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._limits = process, limits
        self._requests, self._replies = process.stdin, process.stdout
        self._is_spent = False

    @classmethod
    async def started(cls, folder: Path, limits: Limits) -> WorkerProcess:
        """Start a process in an empty folder and wait until it can be asked. Raise WorkerEndedError if that fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "nncost.web.server.worker", str(limits.memory_bytes), str(limits.answer_bytes),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=folder, env=_environment(), start_new_session=True,
        )  # fmt: skip
        worker = cls(process, limits)
        try:
            status, _ = await asyncio.wait_for(worker._reply(), _START_SECONDS)
        except (WorkerEndedError, TimeoutError):
            await worker.end()
            raise WorkerEndedError("a worker process could not be started.", over_limit=False) from None
        except asyncio.CancelledError:
            await worker.end()
            raise
        assert status == READY
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None and not self._is_spent

    async def ask(self, content: bytes, seconds: float) -> tuple[int, bytes]:
        """Return the status and the body of an answer. Raise WorkerEndedError where there is none; it is ended then."""
        try:
            async with asyncio.timeout(seconds):
                self._requests.write(REQUEST.pack(len(content)) + content)
                await self._requests.drain()
                status, body = await self._reply()
        except TimeoutError:
            await self.end()
            raise WorkerEndedError(f"this took more than {seconds:g} s here.", over_limit=True) from None
        except (OSError, WorkerEndedError):
            raise await self._end_of(seconds) from None
        except asyncio.CancelledError:
            await self.end()
            raise
        if status not in STATUSES:
            await self.end()
            raise WorkerEndedError("the worker process gave no answer.", over_limit=False)
        return status, body

    async def end(self) -> None:
        """End the process, whatever it does, and all that it started."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._requests.close()

    async def _reply(self) -> tuple[int, bytes]:
        try:
            status, self._is_spent, length = REPLY.unpack(await self._replies.readexactly(REPLY.size))
            if length > self._limits.answer_bytes:
                raise WorkerEndedError("the answer is too large.", over_limit=True)
            return status, await self._replies.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise WorkerEndedError("the worker process ended.", over_limit=False) from None

    async def _end_of(self, seconds: float) -> WorkerEndedError:
        """Why it ended, by how."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 1)
        code = self._process.returncode
        await self.end()
        if code == -getattr(signal, "SIGXCPU", 0):
            return WorkerEndedError(f"this took more than {seconds:g} s of processor time here.", over_limit=True)
        if code in _WITHOUT_MEMORY:
            return WorkerEndedError("this took more memory than there is here.", over_limit=True)
        return WorkerEndedError("the worker process ended before it had an answer.", over_limit=False)


def _environment() -> dict[str, str]:
    """That of the server, with places of modules that hold from another folder."""
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    found = os.pathsep.join(str(Path(place).absolute()) for place in places if place)
    return {**os.environ, **_QUIET} | ({"PYTHONPATH": found} if found else {})
