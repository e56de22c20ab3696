"""What passes between the server and a worker process: lengths and bytes, never objects.

A worker has read files of strangers, so nothing that comes back from it is trusted to be more than a status and bytes.
"""

from __future__ import annotations

import os
from struct import Struct

REQUEST = Struct(">I")
"""Before a request: its length."""
REPLY = Struct(">H?I")
"""Before a reply: its status, whether the worker ends with it, and its length."""
READY = 100
"""The status of the first reply, which a worker sends when it can be asked."""


def read_exactly(descriptor: int, length: int) -> bytes | None:
    """Return so many bytes of a pipe; None at its end."""
    parts = bytearray()
    while len(parts) < length:
        part = os.read(descriptor, length - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it to a pipe."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
