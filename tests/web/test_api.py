"""The API over HTTP: its answers are those of Python, exactly, and its faults are JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from tests.web.serving import PATIENCE, Serving, send

SPEC = "784-16-16-10"
WIDTHS = st.lists(st.integers(1, 10**30), min_size=2, max_size=6).map(lambda widths: "-".join(map(str, widths)))


def test_the_textbook_network(server: Serving) -> None:
    found = server.ask("count", {"source": SPEC})
    assert found == nncost.count(SPEC).to_dict()
    assert found["parameters"]["total"] == 13_002


@given(
    source=WIDTHS,
    batch=st.none() | st.integers(1, 10**40) | st.just("B"),
    optimizer=st.sampled_from(["sgd", "adam", "none"]),
)
@settings(max_examples=25)
def test_counts_are_those_of_python(server: Serving, source: str, batch: int | str | None, optimizer: str) -> None:
    wanted = nncost.count(source, batch=batch, optimizer=optimizer).to_dict()
    answer = server.post("count", {"source": source, "batch": batch, "optimizer": optimizer})
    assert answer.json() == wanted
    assert json.loads(json.dumps(wanted)) == answer.json()  # integers of any size are integers in the text


def test_giant_numbers_have_all_their_digits(server: Serving) -> None:
    width = 10**60 + 7
    answer = server.post("count", {"source": f"{width}-{width}-10"})
    total = width * width + width + width * 10 + 10
    assert f'"total":{total},' in answer.text
    giant = "9" * 900
    assert (
        server.ask("count", {"source": f"{giant}-{giant}", "batch": giant})["totals"]["forward"]["mul"]
        == int(giant) ** 3
    )


def test_symbols(server: Serving) -> None:
    assert server.ask("count", {"source": "784-h-10", "batch": "B"})["parameters"]["total"] == "795*h + 10"


def test_the_other_answers(server: Serving) -> None:
    assert "13,002" in server.ask("explain", {"source": SPEC})["text"]
    formula = server.ask("formula", {"source": "784-h-10", "quantity": "parameters.total", "at": {"h": 2}})["formulas"][
        0
    ]
    assert (formula["expanded"], formula["value"]) == ("795*h + 10", 1600)
    assert server.ask("predict", {"source": SPEC, "on": "h100"}) == nncost.predict(SPEC, on="h100").to_dict()
    devices = send("GET", f"{server.url}api/devices", timeout=PATIENCE).json()["devices"]
    assert any(device["name"] == "h100" for device in devices)


def test_a_second_answer_is_the_first(server: Serving) -> None:
    """Whatever the order of the settings, and whether they are there without a value."""
    request = {"source": "17-16-10", "batch": 3, "loss": "cross_entropy"}
    first = server.post("count", request)
    again = server.post("count", dict(reversed(request.items())) | {"optimizer": None})
    assert first.content == again.content


def test_health(server: Serving) -> None:
    found = server.health()
    assert (found["status"], found["version"]) == ("ok", nncost.__version__)
    assert found["limits"]["body_bytes"] == 2_000_000


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"source": "784-128:rleu-10"}, "spec", "unknown activation"),
        ({"source": SPEC, "bath": 3}, "option", "has no setting 'bath'"),
        ({"source": SPEC, "batch": 0}, "option", "batch takes"),
        ({"source": SPEC, "loss": "no loss"}, "option", "unknown loss"),
        ({}, "option", "count needs source"),
        ([], "option", "a request is an object"),
        ("784", "option", "a request is an object"),
        ({"source": "net.py:build"}, "source", "only specs and uploaded files"),
        ({"source": "upload:none"}, "source", "no such upload"),
        ({"source": "784-h-10", "symbols": {"x": 1}}, "symbol", "x"),
    ],
)
def test_faults(server: Serving, request_: Any, code: str, words: str) -> None:
    answer = server.post("count", request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert set(error) <= {"code", "message", "hint", "position", "length", "instead"}


def test_the_caret_of_a_fault(server: Serving) -> None:
    error = server.post("count", {"source": "784-128:rleu-10"}).json()["error"]
    assert (error["position"], error["length"], error["instead"]) == (8, 4, "784-128:relu-10")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"source": "784-10"', b"\xff\xfe", b'{"source": NaN}x', b"[" * 200_000, b'{"a":' * 50_000, b"9" * 20_000,
     b'{"source": "784-10", "batch": ' + b"9" * 10_000 + b"}"],
)  # fmt: skip
def test_what_is_no_json(server: Serving, body: bytes) -> None:
    answer = send(
        "POST", f"{server.url}api/count", content=body, headers={"content-type": "application/json"}, timeout=PATIENCE
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] == ("request" if answer.status_code == 400 else "option")


@pytest.mark.parametrize(
    "text", ["\x00", "\ud800", "\u202e784-10", "</script>", "784-10\r\nSet-Cookie: x=1", "🙂-10", "{}", "[[[["]
)
def test_odd_texts_are_specs_with_faults(server: Serving, text: str) -> None:
    body = json.dumps({"source": text})
    answer = send(
        "POST", f"{server.url}api/count", content=body, headers={"content-type": "application/json"}, timeout=PATIENCE
    )
    assert answer.status_code in (200, 422)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404), ("GET", "api/count", 405), ("DELETE", "api/count", 405), ("POST", "health", 405), ("GET", "docs", 404),
        ("GET", "redoc", 404), ("GET", "page/../server/app.py", 404), ("GET", "page/%2e%2e/server/app.py", 404), ("GET", "api/", 404),
        ("GET", "../../etc/passwd", 404), ("GET", "page//etc/passwd", 404), ("OPTIONS", "api/count", 405), ("TRACE", "health", 405),
    ],
)  # fmt: skip
def test_what_is_not_there(server: Serving, method: str, path: str, status: int) -> None:
    headers = {"content-type": "application/json"} if method == "POST" else {}
    answer = send(method, f"{server.url}{path}", headers=headers, timeout=PATIENCE)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "request"


def test_the_description_has_nothing_from_elsewhere(server: Serving) -> None:
    found = send("GET", f"{server.url}openapi.json", timeout=PATIENCE)
    assert found.json()["paths"].keys() >= {
        "/api/count",
        "/api/explain",
        "/api/formula",
        "/api/predict",
        "/api/plot",
        "/api/upload",
    }
    assert "://" not in found.text


def test_the_script_of_charts(server: Serving) -> None:
    pytest.importorskip("vl_convert")
    found = send("GET", f"{server.url}vega.js", timeout=PATIENCE)
    assert found.headers["content-type"].startswith("text/javascript")
    assert "vegaEmbed" in found.text
