"""What one server gives its clients at most: the one table, which the documents show and the tests make small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from nncost.records import field, record
from nncost.units import bytes_text, counted, grouped

BYTES, SECONDS, NUMBER = "bytes", "seconds", ""
_MB, _GB = 10**6, 10**9
_MINUTE = 60
_FEWEST, _MOST = 2, 4


def _limit(default: Any, unit: str, about: str, answer: str = "") -> Any:
    return field(default=default, metadata={"unit": unit, "about": about, "answer": answer})


def _workers() -> int:
    """One process for each core, within reason: one that is busy must not keep the others from being answered."""
    return max(_FEWEST, min(_MOST, os.cpu_count() or _FEWEST))


@record
class Limits:
    """Each limit; beyond it a request is answered with an error, and others are served."""

    body_bytes: int = _limit(2 * _MB, BYTES, "A request, but an upload.", "413")
    body_seconds: float = _limit(10.0, SECONDS, "Reading the head of a request, and its body.", "408")
    seconds: float = _limit(
        20.0, SECONDS, "Working out an answer about a spec; as much processor time.", "422, `limit`"
    )
    file_seconds: float = _limit(60.0, SECONDS, "The same about an uploaded file.", "422, `limit`")
    memory_bytes: int = _limit(4 * _GB, BYTES, "Memory of a worker process.", "422, `limit`")
    answer_bytes: int = _limit(32 * _MB, BYTES, "An answer.", "422, `limit`")
    queue: int = _limit(256, NUMBER, "Requests that wait for a worker.", "429")
    queue_seconds: float = _limit(60.0, SECONDS, "Waiting for a worker.", "429")
    requests: int = _limit(512, NUMBER, "Requests that are open at once.", "429")
    connections: int = _limit(1_024, NUMBER, "Connections that are open at once.", "429")
    answer_seconds: float = _limit(300.0, SECONDS, "A request from its head to the last byte of its answer.", "closed")
    upload_bytes: int = _limit(500 * _MB, BYTES, "A file that is uploaded.", "413")
    upload_seconds: float = _limit(300.0, SECONDS, "An upload.", "408")
    uploads_at_once: int = _limit(4, NUMBER, "Uploads that are under way.", "429")
    uploads: int = _limit(32, NUMBER, "Files that are kept; the oldest goes first.")
    uploads_bytes: int = _limit(2 * _GB, BYTES, "All files that are kept; the oldest goes first.")
    upload_age_seconds: float = _limit(60.0 * _MINUTE, SECONDS, "Keeping a file.")
    cache_bytes: int = _limit(64 * _MB, BYTES, "Answers that are kept, to be given again at once.")
    requests_of_worker: int = _limit(1_000, NUMBER, "Answers of a worker process before it is replaced.")
    workers: int = field(
        default_factory=_workers,
        metadata={"unit": NUMBER, "about": f"Worker processes: one a core, {_FEWEST} to {_MOST}.", "answer": ""},
    )
    retry_after_seconds: int = _limit(2, SECONDS, "What `Retry-After` says beside 429.")


def limit_rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield the name of each limit, its value, what it limits and the status of an answer to what is over it."""
    given = Limits()
    for each in fields(Limits):
        about = each.metadata
        value = "by cores" if each.name == "workers" else _value(getattr(given, each.name), about["unit"])
        yield each.name, value, about["about"], about["answer"]


def _value(value: float, unit: str) -> str:
    if unit == BYTES:
        return bytes_text(int(value))
    if unit == SECONDS:
        return counted(int(value), "second")
    return grouped(int(value))
