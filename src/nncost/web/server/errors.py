"""Errors of the server itself, in the form of all others: a code, a message and, where there is one, a hint."""

from __future__ import annotations

import json
from typing import Any

from nncost.records import record

JSON = "application/json"


@record
class Refusal:
    """An answer that says why there is none; ``closes`` ends the connection, of which something may be unread."""

    status: int
    code: str
    message: str
    hint: str = ""
    retry_after_seconds: int = 0
    closes: bool = False

    def body(self) -> bytes:
        """Return the JSON."""
        told: dict[str, Any] = {"code": self.code, "message": self.message}
        return json.dumps({"error": told | ({"hint": self.hint} if self.hint else {})}).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that it needs."""
        found = [(b"content-type", JSON.encode()), (b"content-length", str(len(self.body())).encode())]
        if self.retry_after_seconds:
            found.append((b"retry-after", str(self.retry_after_seconds).encode()))
        return [*found, (b"connection", b"close")] if self.closes else found


ENDING = Refusal(503, "busy", "the server ends.")


class RefusedError(Exception):
    """Raised to answer with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def too_large(limit: int) -> Refusal:
    """Return what is said of more bytes than are read."""
    return Refusal(413, "limit", f"this has more than {limit:,} bytes.", closes=True)


def too_slow(seconds: float) -> Refusal:
    """Return what is said of a request that does not come."""
    return Refusal(408, "limit", f"this took more than {seconds:g} s to arrive.", closes=True)


def busy(retry_after_seconds: int, *, closes: bool = False) -> Refusal:
    """Return what is said while too many ask."""
    return Refusal(
        429,
        "busy",
        "too many requests are waiting here.",
        f"Try again in {retry_after_seconds} s.",
        retry_after_seconds,
        closes,
    )


INTERNAL = Refusal(500, "internal", "this could not be answered because of a fault of the server.", closes=True)
MALFORMED = Refusal(400, "request", "this is not a request in HTTP.", closes=True)
