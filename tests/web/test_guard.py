"""Who may ask, and what every answer has."""

from __future__ import annotations

import socket
from contextlib import suppress

import httpx
import pytest

from nncost.web.server.limits import Limits
from nncost.web.server.origins import Origins
from tests.web.serving import PATIENCE, Serving, send, served

REQUEST = {"source": "784-16-16-10"}


def post(server: Serving, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send("POST", f"{server.url}api/count", json=REQUEST, headers=named, timeout=PATIENCE)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example", "0.0.0.0",
                                  "169.254.169.254", "[::2]", "localhost@evil.example", "localhost:80:80", "localhost/", "127.0.0.2"])  # fmt: skip
def test_other_hosts_are_refused(server: Serving, host: str) -> None:
    for answer in (
        post(server, Host=host),
        send("GET", f"{server.url}health", headers={"Host": host}, timeout=PATIENCE),
    ):
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "host"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost:1", "localhost."]
)
def test_own_hosts_are_answered(server: Serving, host: str) -> None:
    assert post(server, Host=host.format(port=server.port)).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:{other}", "http://localhost:{port}", ""],
)
def test_pages_of_other_origins_are_refused(server: Serving, origin: str) -> None:
    answer = post(server, Origin=origin.format(port=server.port, other=server.port + 1))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "origin"


def test_what_a_browser_says_of_another_site_is_believed(server: Serving) -> None:
    assert post(server, Sec_Fetch_Site="cross-site").status_code == 403
    assert post(server, Sec_Fetch_Site="same-site").status_code == 403
    assert post(server, Sec_Fetch_Site="same-origin").status_code == 200
    upload = send(
        "POST",
        f"{server.url}api/upload",
        files={"file": ("x.onnx", b"x")},
        headers={"Origin": "http://evil.example"},
        timeout=PATIENCE,
    )
    assert upload.status_code == 403


def test_its_own_page_is_answered(server: Serving) -> None:
    assert post(server, Origin=server.url.rstrip("/")).status_code == 200


@pytest.mark.parametrize("part", ["bytes=5-1", "bytes=0-3", f"bytes={'1' * 5_000}-", "words"])
def test_files_are_sent_whole_whatever_part_is_asked_for(server: Serving, part: str) -> None:
    whole = send("GET", f"{server.url}page/app.js", timeout=PATIENCE)
    found = send("GET", f"{server.url}page/app.js", headers={"range": part}, timeout=PATIENCE)
    assert (found.status_code, found.content) == (200, whole.content)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"]
)
def test_what_a_form_can_send_is_no_request(server: Serving, kind: str) -> None:
    answer = send(
        "POST", f"{server.url}api/count", content=b'{"source": "4-3"}', headers={"content-type": kind}, timeout=PATIENCE
    )
    assert answer.status_code == 415


def test_requests_are_not_unpacked(server: Serving) -> None:
    assert post(server, Content_Encoding="gzip").status_code == 415


def test_every_answer_has_the_headers(server: Serving) -> None:
    answers = [
        post(server),
        post(server, Host="evil.example"),
        post(server, Origin="null"),
        server.post("count", {"source": "x"}),
        server.post("nothing", {}),
        send("GET", f"{server.url}health", timeout=PATIENCE),
        send("GET", f"{server.url}openapi.json", timeout=PATIENCE),
        send("GET", f"{server.url}nothing", timeout=PATIENCE),
        send("GET", f"{server.url}page/style.css", timeout=PATIENCE),
        send("GET", server.url, timeout=PATIENCE),
        send("HEAD", server.url, timeout=PATIENCE),
        send(
            "POST",
            f"{server.url}api/count",
            content=b"x" * 3_000_000,
            headers={"content-type": "application/json"},
            timeout=PATIENCE,
        ),
        server.upload("x.py", b"x"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in answer.headers
        assert not {"set-cookie", "server", "access-control-allow-origin"} & set(answer.headers)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"GET http://[ HTTP/9.9\r\n\r\n",
        b"POST /api/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 500_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http(server: Serving, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as own:
        received = b""
        with suppress(ConnectionError):  # it does not read to the end what it has refused
            own.sendall(sent)
        with suppress(ConnectionError):
            while part := own.recv(65_536):
                received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert b"content-security-policy: default-src 'none'" in head
    assert b'{"error": {"code": "' in body
    assert server.health()["status"] == "ok"


def test_a_websocket_is_no_way_around(server: Serving) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "x" * 16,
        "Sec-WebSocket-Version": "13",
    }
    assert send("GET", f"{server.url}health", headers=headers, timeout=PATIENCE).status_code == 200


def test_where_all_addresses_are_listened_on_numbers_are_known_and_names_are_not() -> None:
    with served(Limits(workers=1), "0.0.0.0") as server:
        assert post(server, Host="192.0.2.7:8080").status_code == 200
        assert post(server, Host="evil.example").status_code == 421


@pytest.mark.parametrize(("host", "asked", "known"), [
    ("nncost.lab", b"nncost.lab:8080", True), ("nncost.lab", b"NNCOST.LAB", True), ("nncost.lab", b"10.0.0.1", False), ("::1", b"[::1]:80", True),
    ("::", b"[2001:db8::1]:80", True), ("127.0.0.1", b"localhost", True), ("127.0.0.1", b"\xff\xfe", False),
])  # fmt: skip
def test_hosts(host: str, asked: bytes, known: bool) -> None:
    assert (Origins(host).refusal("GET", {b"host": asked}) is None) == known
