"""What is over a limit is answered with an error of its own, while others are served."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import nncost
from nncost.web.server.limits import Limits, limit_rows
from tests.web.serving import PATIENCE, Serving, send, served

HEAVY = "4x8x8, " + ", ".join(["conv 8 3x3 pad=1", "relu"] * 950)
"""Takes a second or more to count, and ten to explain."""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="worker processes are found in /proc")


@contextmanager
def asking(server: Serving, name: str, request: Any, times: int = 1) -> Iterator[list[Future[httpx.Response]]]:
    """Ask so often in the background."""
    with ThreadPoolExecutor(times) as pool:
        yield [pool.submit(server.post, name, {**request, "batch": number + 1}) for number in range(times)]


def raw(server: Serving, *parts: bytes, pause: float = 0.0) -> bytes:
    """What is answered to bytes that are sent with pauses."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as own:
        for part in parts:
            own.sendall(part)
            time.sleep(pause)
        received = b""
        while part := own.recv(65_536):
            received += part
    return received


def workers() -> set[int]:
    """The worker processes of this one."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            is_worker = b"nncost.web.server.worker" in (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and is_worker:
            found.add(int(path.parent.name))
    return found


# ------------------------------------------------------------------- what is read
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_body(server: Serving, framing: str) -> None:
    body = b'{"source": "' + b"9" * 2_500_000 + b'"}'
    content: Any = body if framing == "length" else iter([body[:600_000], body[600_000:]])
    answer = send(
        "POST",
        f"{server.url}api/count",
        content=content,
        headers={"content-type": "application/json"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "limit"


def test_a_body_that_only_says_that_it_is_large(server: Serving) -> None:
    head = (
        b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    for length in (10**7, 10**18, 10**40):
        assert raw(server, head % length).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    "parts",
    [
        (b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n", b'{"source"'),
        (b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n"),
        (b"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 500\r\n\r\n",
         b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.onnx"\r\n\r\nabc'),
        (b"POST /api/count HTTP/1.1\r\nHost: local", b"host\r\nX-A: b\r\n"),
        (b"", b""),
    ],
)  # fmt: skip
def test_what_does_not_come_in_time(parts: tuple[bytes, ...]) -> None:
    with served(Limits(workers=1, body_seconds=0.5)) as server, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(raw, server, *parts, pause=0.1)
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23
        answer = slow.result(PATIENCE)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code": "limit"' in answer
        assert server.health()["uploads"] == 0


def test_connections_have_a_number() -> None:
    with served(Limits(workers=1, connections=3)) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(3)]
        time.sleep(0.2)
        assert raw(server).startswith(b"HTTP/1.1 429")
        for each in idle:
            each.close()
        server.wait_for(workers=1)


# ------------------------------------------------------------------- what is worked out
def test_what_takes_too_long() -> None:
    with served(Limits(workers=2, seconds=1.0)) as server:
        with asking(server, "explain", {"source": HEAVY}) as (slow,):
            assert server.ask("count", {"source": "784-16-16-10"})["parameters"]["total"] == 13_002
            answer = slow.result(PATIENCE)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "limit"
        assert "more than 1 s" in answer.json()["error"]["message"]
        server.wait_for(workers=2)  # the process was replaced
        for width in range(4):
            server.ask("count", {"source": f"7-{width + 1}-2"})


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by the system")
def test_what_takes_too_much_memory() -> None:
    with served(Limits(workers=1, memory_bytes=100_000_000)) as server:
        answer = server.post("count", {"source": "-".join(["9" * 95] * 2_000), "batch": "B"})
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "limit"
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23


def test_an_answer_that_is_too_large() -> None:
    with served(Limits(workers=1, answer_bytes=5_000)) as server:
        answer = server.post("count", {"source": "784-16-16-16-10"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "limit")
        assert server.post("count", {"source": "784-10"}).status_code == 200


@on_linux
@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (signal.SIGKILL, 422, "limit"),
        (signal.SIGSEGV, 500, "internal"),
        (signal.SIGABRT, 422, "limit"),
        (signal.SIGXCPU, 422, "limit"),
    ],
)
def test_a_process_that_dies(number: int, status: int, code: str) -> None:
    before = workers()
    with served(Limits(workers=1)) as server:
        (own,) = workers() - before
        with asking(server, "explain", {"source": HEAVY}) as (asked,):
            time.sleep(0.5)
            os.kill(own, number)
            answer = asked.result(PATIENCE)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
        assert "Traceback" not in answer.text
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23
        assert own not in workers()


@on_linux
def test_a_process_that_dies_while_nobody_asks() -> None:
    before = workers()
    with served(Limits(workers=1)) as server:
        (own,) = workers() - before
        os.kill(own, signal.SIGKILL)
        time.sleep(0.2)
        assert server.post("count", {"source": "4-3-2"}).status_code in (200, 422)
        assert server.ask("count", {"source": "4-3-3"})["parameters"]["total"] == 27


@on_linux
def test_processes_are_replaced_after_their_share_and_none_is_left() -> None:
    before = workers()
    with served(Limits(workers=1, requests_of_worker=3)) as server:
        (first,) = workers() - before
        for width in range(1, 9):
            assert server.ask("count", {"source": f"3-{width}"})["parameters"]["total"] == 4 * width
        assert first not in workers()
    assert workers() == before


def test_a_server_ends_while_it_works() -> None:
    """Who waits is told so, in the form of all errors, or loses the connection."""
    answers: list[httpx.Response] = []

    def ask() -> None:
        with suppress(httpx.HTTPError):
            answers.append(server.post("explain", {"source": HEAVY}))

    with served(Limits(workers=1)) as server:
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.5)
    thread.join(PATIENCE)
    assert all("error" in answer.json() or answer.status_code == 200 for answer in answers)


# ------------------------------------------------------------------- how many
def test_two_hundred_clients_at_once(server: Serving) -> None:
    """Each gets the answer to its own question."""
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda width: server.post("count", {"source": f"784-{width + 1000}-10"}), range(200)))
    for width, answer in enumerate(answers, 1_000):
        assert answer.status_code == 200
        assert answer.json()["parameters"]["total"] == 795 * width + 10


def test_two_hundred_clients_of_which_some_ask_too_much() -> None:
    """Nothing is lost: every one is answered, right or with an error that says which limit it is over."""

    def ask(number: int) -> tuple[int, tuple[int, ...], httpx.Response]:
        if number % 50 == 0:
            return number, (422,), server.post("explain", {"source": HEAVY, "batch": number + 1})
        if number % 20 == 1:
            return number, (422,), server.post("count", {"source": "9" * 300_000})
        if number % 20 == 2:
            return number, (413, 429), server.upload(f"x{number}.onnx", b"x" * 50_000)
        return number, (200,), server.post("count", {"source": f"784-{number + 1}-10"})

    limits = Limits(workers=2, seconds=2.0, upload_bytes=10_000)
    with served(limits) as server, ThreadPoolExecutor(200) as pool:
        for number, accepted, answer in pool.map(ask, range(200)):
            assert answer.status_code in accepted, answer.text
            if accepted == (200,):
                assert answer.json()["parameters"]["total"] == 795 * (number + 1) + 10
            else:
                assert answer.json()["error"]["code"] in ("limit", "option", "busy")
        assert server.health()["workers"] > 0


def test_a_full_queue() -> None:
    with served(Limits(workers=1, queue=2, seconds=5.0)) as server:
        with asking(server, "count", {"source": HEAVY}, times=8) as asked:
            answers = [each.result(PATIENCE) for each in asked]
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses.count(200) >= 2
        assert statuses.count(429) >= 4
        assert set(statuses) == {200, 429}
        for answer in answers:
            if answer.status_code == 429:
                assert answer.headers["retry-after"] == "2"
                assert answer.json()["error"]["code"] == "busy"
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23


def test_what_was_answered_is_answered_while_the_queue_is_full() -> None:
    with served(Limits(workers=1, queue=1, seconds=1.0)) as server:
        first = server.ask("count", {"source": "784-16-16-10"})
        with asking(server, "explain", {"source": HEAVY}, times=6):
            time.sleep(0.3)
            assert server.ask("count", {"source": "784-16-16-10"}) == first
            assert server.health()["status"] == "ok"


def test_who_asks_the_same_at_once_is_answered_at_once() -> None:
    with served(Limits(workers=1, queue=1)) as server, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post("count", {"source": HEAVY}), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_what_nobody_waits_for_is_not_worked_out() -> None:
    with served(Limits(workers=1, queue=3)) as server, asking(server, "count", {"source": HEAVY}) as (running,):
        time.sleep(0.3)
        for batch in range(2, 12):  # more than may wait: each goes before the next comes
            with pytest.raises(httpx.TimeoutException):
                send("POST", f"{server.url}api/count", json={"source": HEAVY, "batch": batch}, timeout=0.05)
        time.sleep(0.2)
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23
        assert running.result(PATIENCE).status_code == 200


def test_requests_that_are_open_have_a_number() -> None:
    with served(Limits(workers=1, requests=2, seconds=1.0)) as server:
        with asking(server, "explain", {"source": HEAVY}, times=4) as asked:
            statuses = sorted(each.result(PATIENCE).status_code for each in asked)
        assert statuses.count(429) >= 1
        assert set(statuses) <= {200, 422, 429}


# ------------------------------------------------------------------- giants
@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("784-16*1000000-10", 200),
        (f"784-{10**60}-10", 200),
        (f"{'9' * 999}-{'9' * 999}", 200),
        ("784-" + "9" * 1_500 + "-10", 422),
        ("-".join(["9"] * 99_000), 422),
        ("x" * 200_000, 422),
        ("[" * 100_000, 422),
        ("4x4x4, " + "[" * 60 + "relu" + "]" * 60, 422),
        ("784-16" + "*9" * 10_000, 422),
        ("#" * 200_000, 422),
        ("4x8x8, " + "conv 8 3x3, " * 9_000, 422),
        ("-".join(f"h{number}" for number in range(5_000)), 422),
    ],
)
def test_giant_specs(server: Serving, source: str, status: int) -> None:
    answer = server.post("count", {"source": source})
    assert answer.status_code == status, answer.text[:500]
    if status == 422:
        assert len(answer.text) < 3_000
    assert server.health()["status"] == "ok"


def test_giant_counts_are_those_of_python(server: Serving) -> None:
    wanted = nncost.count("784-16*1000000-10").to_dict()
    assert server.ask("count", {"source": "784-16*1000000-10"}) == wanted


def test_every_limit_is_described() -> None:
    rows = list(limit_rows())
    assert len(rows) == len(Limits.__dataclass_fields__)
    assert all(value and about.endswith(".") for _, value, about, _ in rows)
