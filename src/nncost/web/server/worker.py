"""A worker process: reads requests from a pipe, answers them one by one, and keeps within its limits.

It is started by the pool as ``python -m nncost.web.server.worker`` with its limits as arguments, and ends with the pipe.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from typing import Any

from nncost.errors import MissingExtraError, NncostError, SourceError
from nncost.names import printable, shortened
from nncost.web.answers import answer, told
from nncost.web.server.frames import READY, REPLY, REQUEST, read_exactly, write_all

OK, REFUSED, FAILED, MISSING = 200, 422, 500, 501
NO_MEMORY = 77
"""The exit code where there was not even memory to say so."""
TOO_LARGE = "this is too large to be worked out here."
_MAX_FILE_BYTES = 64 * 2**20
"""Of files that are written, such as caches."""
_MAX_FILES = 512
_MAX_MESSAGE = 300


def main(memory_bytes: int, answer_bytes: int) -> None:
    """Answer requests until the pipe ends."""
    requests, replies = _own_pipes()
    sys.set_int_max_str_digits(0)  # The server has limited the sizes; amounts have thousands of digits.
    _warm()
    _limit_process(memory_bytes)
    write_all(replies, REPLY.pack(READY, False, 0))
    try:
        _answer_all(requests, replies, answer_bytes)
    except MemoryError:
        os._exit(NO_MEMORY)


def _answer_all(requests: int, replies: int, answer_bytes: int) -> None:
    while (head := read_exactly(requests, REQUEST.size)) is not None:
        content = read_exactly(requests, REQUEST.unpack(head)[0])
        if content is None:
            return
        status, body, is_spent = replied(content, answer_bytes)
        write_all(replies, REPLY.pack(status, is_spent, len(body)) + body)
        if is_spent:
            return


def replied(content: bytes, answer_bytes: int) -> tuple[int, bytes, bool]:
    """Return the status and the body of an answer, and whether the process may not be in order any more."""
    try:
        asked = json.loads(content)
        _limit_processor_time(asked["seconds"])
        body = _encoded(answer(asked["name"], asked["request"], asked["uploads"]))
    except MissingExtraError as error:
        return MISSING, _encoded(told(error)), False
    except NncostError as error:
        return REFUSED, _encoded(told(error)), False
    except (MemoryError, RecursionError) as error:
        return REFUSED, _encoded(over_limit(TOO_LARGE)), isinstance(error, MemoryError)
    except BaseException as error:  # noqa: BLE001 - what goes wrong here must not go further
        return _failed(error)
    if len(body) > answer_bytes:
        return REFUSED, _encoded(over_limit(f"the answer has {len(body):,} bytes, more than {answer_bytes:,}.")), False
    return OK, body, False


def over_limit(message: str) -> dict[str, Any]:
    """Return the error that a request is over a limit of this server."""
    hint = "The command line has no such limits:  nncost count --help"
    return {"error": {"code": "limit", "message": message, "hint": hint}}


def _failed(error: BaseException) -> tuple[int, bytes, bool]:
    """A fault of an uploaded model is told; anything else is one of ours, shown to whoever runs the server alone."""
    if getattr(error, "__nncost__", None) is not None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        said = shortened(printable(f"{type(error).__name__}: {lines[0]}"), _MAX_MESSAGE)
        return REFUSED, _encoded(told(SourceError(f"the model raised {said}"))), False
    sys.stderr.write("".join(traceback.format_exception(error)))
    failure = {"code": "internal", "message": "this could not be worked out because of a fault of the server."}
    return FAILED, _encoded({"error": failure}), True


def _encoded(found: dict[str, Any]) -> bytes:
    return json.dumps(found, allow_nan=False, separators=(",", ":")).encode()


def _own_pipes() -> tuple[int, int]:
    """The pipes, under numbers of their own: what a library prints goes to standard error."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _warm() -> None:
    """Import what most requests need, symbols as well."""
    for request in ({"source": "3x8x8, conv 4 3x3, relu, flatten, dense 2"}, {"source": "4-h-2", "batch": "B"}):
        answer("count", request)
    answer("explain", {"source": "4-3-2"})


def _limit_process(memory_bytes: int) -> None:
    """Limit memory, files and what a crash leaves behind, where the system can.

    What is limited is memory that can be written; the mere addresses that the drawing of charts sets aside are many.
    """
    try:
        import resource
    except ImportError:  # Windows: time is limited by the server.
        return
    wanted = ((resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES), (resource.RLIMIT_NOFILE, _MAX_FILES), (resource.RLIMIT_CORE, 0))  # fmt: skip
    for which, most in wanted:
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))


def _limit_processor_time(seconds: float) -> None:
    """End this process when it has used so much more."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
