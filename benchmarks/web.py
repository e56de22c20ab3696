"""``python -m benchmarks.web``: the API beside an empty route of FastAPI in the same process, as ratios.

Requests take turns over one connection each; what counts is how long an answer takes beside an empty one, in the middle
(p50) and for the slowest of twenty (p95). Each round asks both, so that a slow moment of the machine meets both.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from json import dumps
from typing import Any

import nncost
from nncost.web.server.app import application
from nncost.web.server.limits import Limits
from nncost.web.server.protocol import config
from nncost.web.server.run import listening

ROUNDS = 2_000
AIM = 3.0
EMPTY = "empty route of FastAPI"
PRESETS = {
    "textbook": "784-16-16-10",
    "convolutional": "3x32x32, [conv 32 3x3 pad=1, relu, maxpool 2]*3, flatten, dense 128, relu, dense 10",
    "GPT-2 small": "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], residual[layernorm, dense 3072, gelu, dense 768]]*12, layernorm, dense 50257 bias=no",
}  # fmt: skip


@contextmanager
def server() -> Iterator[int]:
    """A server with one more route, which does nothing; its port."""
    from fastapi import FastAPI
    from uvicorn import Server

    guard, own = application(Limits()), listening("127.0.0.1", 0)
    app = guard.application
    assert isinstance(app, FastAPI)

    @app.post("/empty")
    async def empty() -> dict[str, str]:
        return {}

    serving = Server(config(guard, Limits()))
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve([own])))
    thread.start()
    try:
        yield own.getsockname()[1]
    finally:
        serving.should_exit = True
        thread.join()


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)

    def post(self, path: str, request: Mapping[str, Any]) -> bytes:
        body = dumps(request)
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content


def times(candidates: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each candidate in each round."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-20, rounds):
        for name, ask in candidates.items():
            start = time.perf_counter()
            ask(number)
            if number >= 0:
                found[name].append(time.perf_counter() - start)
    return found


def print_ratios(title: str, found: Mapping[str, list[float]]) -> None:
    """The middle and the slowest of twenty, as multiples of the empty route's."""
    print(f"\n{title}\n  {'':<44}{'p50':>8}{'p95':>8}")
    middle, slow = points(found[EMPTY])
    for name, seconds in found.items():
        p50, p95 = points(seconds)
        print(f"  {name:<44}{p50 / middle:8.2f}{p95 / slow:8.2f}")


def points(seconds: list[float]) -> tuple[float, float]:
    parts = statistics.quantiles(seconds, n=20)
    return parts[9], parts[18]


def presets(port: int) -> None:
    """What many look at is answered from memory."""
    client = Client(port)
    candidates: dict[str, Callable[[int], object]] = {EMPTY: lambda _: client.post("/empty", {})}
    for name, source in PRESETS.items():
        candidates[f"count {name}"] = lambda _, source=source: client.post("/api/count", {"source": source})  # type: ignore[misc]
    candidates["count textbook, batch 32, adam"] = lambda _: client.post(
        "/api/count", {"source": PRESETS["textbook"], "batch": 32, "optimizer": "adam"}
    )
    print_ratios(f"A preset, against an empty route (aim: p95 below {AIM:g})", times(candidates, ROUNDS))


def fresh(port: int) -> None:
    """What nobody has asked before goes to a worker process."""
    client = Client(port)
    candidates: dict[str, Callable[[int], object]] = {
        EMPTY: lambda _: client.post("/empty", {}),
        "count 784-N-10, N new each time": lambda number: client.post(
            "/api/count", {"source": f"784-{number + 1000}-10"}
        ),
        "formula 784-h-10 at a new size": lambda number: client.post(
            "/api/formula", {"source": "784-h-10", "quantity": "parameters.total", "at": {"h": number + 1000}}
        ),
        "the same count in Python, without HTTP": lambda number: dumps(
            nncost.count(f"784-{number + 1000}-10").to_dict()
        ),
    }
    print_ratios("Something new, against an empty route", times(candidates, ROUNDS // 10))


def crowd(port: int) -> None:
    """Many at once: how long all of them take, against as many empty answers."""

    def all_of(path: str, request: Callable[[int], Mapping[str, Any]]) -> float:
        with ThreadPoolExecutor(50) as pool:
            clients = [Client(port) for _ in range(50)]
            start = time.perf_counter()
            list(pool.map(lambda number: clients[number % 50].post(path, request(number)), range(50)))
            return time.perf_counter() - start

    empty = min(all_of("/empty", lambda _: {}) for _ in range(5))
    same = min(all_of("/api/count", lambda _: {"source": PRESETS["textbook"]}) for _ in range(5))
    print("\n50 clients at once, against 50 empty answers")
    print(f"  {'count textbook':<44}{same / empty:8.2f}")


def main() -> None:
    with server() as port:
        for part in (presets, fresh, crowd):
            part(port)


if __name__ == "__main__":
    main()
