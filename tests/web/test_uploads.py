"""Files of strangers: which are taken, what is kept of them, and that nothing in them is run or followed."""

from __future__ import annotations

import io
import json
import pickle
import socket
import struct
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.web.server.limits import Limits
from nncost.web.server.uploads import Uploads
from tests.web.serving import PATIENCE, Serving, send, served

HOSTILE = "</script><img src=x onerror=alert(1)>.safetensors"


def safetensors_of(shape: tuple[int, ...] = (3, 4), name: str = "a.weight", **header: Any) -> bytes:
    size = 4
    for each in shape:
        size *= each
    head = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, size], **header}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(min(size, 10_000))


def onnx_of(location: str | None = None) -> bytes:
    pytest.importorskip("onnx")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((4, 3), np.float32), "w")
    if location is not None:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "48")):
            weight.external_data.add(key=key, value=value)
    # An operator that needs the values themselves: a shape that is stored elsewhere.
    shape = numpy_helper.from_array(np.array([2, 3], np.int64), "s")
    if location is not None:
        shape.ClearField("raw_data")
        shape.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            shape.external_data.add(key=key, value=value)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Reshape", ["y", "s"], ["z"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [weight, shape],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def source_of(server: Serving, name: str, content: bytes) -> str:
    answer = server.upload(name, content)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["source"])


def test_a_checkpoint(server: Serving) -> None:
    answer = server.upload("net.safetensors", safetensors_of()).json()
    assert answer["name"] == "net.safetensors"
    assert answer["bytes"] == len(safetensors_of())
    found = server.ask("count", {"source": answer["source"]})
    assert (found["source"]["kind"], found["source"]["name"], found["parameters"]["total"]) == (
        "weights",
        "net.safetensors",
        12,
    )


def test_an_onnx_file(server: Serving, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_of())
    source = source_of(server, "net.onnx", onnx_of())
    found = server.ask("count", {"source": source})
    wanted = nncost.count(tmp_path / "net.onnx").to_dict()
    wanted["source"]["name"] = "net.onnx"
    assert found == wanted
    assert server.ask("explain", {"source": source, "topic": "forward", "form": "plain"})["text"]


def test_a_configuration(server: Serving) -> None:
    pytest.importorskip("transformers")
    content = json.dumps(
        {"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 11, "n_positions": 16}
    ).encode()
    source = source_of(server, "anything at all.json", content)
    assert server.ask("count", {"source": source, "batch": 2})["source"] == {
        "kind": "huggingface", "name": "config.json", "inputs": {"input_ids": [2, 16]},
    }  # fmt: skip


def test_a_gguf_file(server: Serving, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    import numpy as np

    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_tensor("blk.0.weight", np.zeros((3, 5), np.float32))
    for step in ("write_header_to_file", "write_kv_data_to_file", "write_tensors_to_file"):
        getattr(writer, step)()
    writer.close()
    assert (
        server.ask("count", {"source": source_of(server, "x.gguf", (tmp_path / "x.gguf").read_bytes())})["parameters"][
            "total"
        ]
        == 15
    )


def test_a_hostile_name_is_text(server: Serving) -> None:
    answer = server.upload(HOSTILE, safetensors_of(name=HOSTILE))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["name"] == HOSTILE
    found = server.ask("count", {"source": answer.json()["source"]})
    assert "/" not in found["source"]["name"]


@pytest.mark.parametrize(
    "name", ["x.py", "net.pt", "pytorch_model.bin", "x.pkl", "x.npz", "x.npy", "x.h5", "x.keras", "x.zip", "x.tar.gz", "x", "x.onnx.py", "x.nncost", "x.toml"],
)  # fmt: skip
def test_other_kinds_are_refused(server: Serving, name: str) -> None:
    before = server.health()["uploads"]
    answer = server.upload(name, b"x")
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "source"
    assert server.health()["uploads"] == before


class Bomb:
    """What is run when a pickle is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def bombs(marker: Path) -> Iterator[bytes]:
    pickled = pickle.dumps(Bomb(marker))
    yield pickled
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("weights.npy", b"0" * 10_000_000)
    yield archive.getvalue()
    yield f"#!/bin/sh\ntouch {marker}\n".encode()
    yield f"open({str(marker)!r}, 'w')".encode()


@pytest.mark.parametrize("ending", [".onnx", ".safetensors", ".gguf", ".json"])
def test_pickles_archives_and_code_under_another_name_are_not_run(server: Serving, tmp_path: Path, ending: str) -> None:
    marker = tmp_path / "was_run"
    for content in bombs(marker):
        answer = server.post("count", {"source": source_of(server, f"x{ending}", content)})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["code"] == "source"
        assert str(server.service.uploads._folder) not in answer.text
    assert not marker.exists()


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../../../../../../etc/passwd", "../secret", "/proc/self/environ", "x\x00y", "."]
)
def test_numbers_elsewhere_are_not_followed(server: Serving, location: str) -> None:
    """The file beside all uploads is there, and not read."""
    (server.service.uploads._folder / "secret").write_bytes(b"\x02" + bytes(47))
    answer = server.post("count", {"source": source_of(server, "x.onnx", onnx_of(location))})
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:  # the values are unknown, so what needs them is
        assert answer.json()["complete"] is False or answer.json()["notes"]
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "content",
    [
        {"model_type": "gpt2", "auto_map": {"AutoModel": "evil.py--Evil"}},
        {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}},
        {"model_type": "gpt2", "n_layer": 10**9},
        {"model_type": "gpt2", "n_embd": 10**60, "n_head": 1},
        {"model_type": "gpt2", "n_layer": 1, "n_embd": -8},
        {"model_type": "gpt2", "_attn_implementation": "evil/kernel"},
        {"model_type": "../../evil"},
        {"model_type": ["gpt2"]},
        {"weight_map": {"a": "../../../etc/passwd"}},
        {"model_type": "gpt2", "vocab_size": "x" * 1_000_000},
        [],
    ],
)
def test_hostile_configurations(server: Serving, content: Any) -> None:
    pytest.importorskip("transformers")
    answer = server.post("count", {"source": source_of(server, "config.json", json.dumps(content).encode())})
    assert answer.status_code in (200, 422), answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("content", [b"", b"[" * 1_000_000, b'{"a":' * 200_000, b"\xff" * 1000, b"9" * 100_000])
def test_configurations_that_are_none(server: Serving, content: bytes) -> None:
    answer = server.post("count", {"source": source_of(server, "config.json", content)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "source")


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10) + b'{"a":',
        safetensors_of((10**9, 10**9)),
        safetensors_of(data_offsets=[0, 10**18]),
        safetensors_of(name="x" * 100_000),
    ],
)
def test_hostile_checkpoints(server: Serving, content: bytes) -> None:
    answer = server.post("count", {"source": source_of(server, "x.safetensors", content)})
    assert answer.status_code in (200, 422)
    assert len(answer.text) < 1_000_000


# ------------------------------------------------------------------- forms
def form(*parts: tuple[str, bytes], boundary: str = "b", end: bool = True) -> bytes:
    lines = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return lines + (f"--{boundary}--\r\n".encode() if end else b"")


UPLOADING = (
    b"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 900\r\n\r\n"
)
FILE = 'Content-Disposition: form-data; name="file"; filename="x.safetensors"'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=b", form()),
        ("multipart/form-data; boundary=b", form((FILE, b"x"), end=False)),
        ("multipart/form-data; boundary=b", form((FILE, b"x"), (FILE, b"y"))),
        (
            "multipart/form-data; boundary=b",
            form(('Content-Disposition: form-data; name="other"; filename="x.onnx"', b"x")),
        ),
        ("multipart/form-data; boundary=b", form(('Content-Disposition: form-data; name="file"', b"x"))),
        ("multipart/form-data; boundary=b", form(("X-Nothing: 1", b"x"))),
        ("multipart/form-data; boundary=b", form((FILE, b"x"), ('Content-Disposition: form-data; name="y"', b"y"))),
        ("multipart/form-data; boundary=b", form((f"{FILE}\r\nX: {'y' * 100_000}", b"x"))),
        ("multipart/form-data; boundary=b", b"nothing like a form"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data", form((FILE, b"x"))),
        ("multipart/form-data; boundary=" + "b" * 500, form((FILE, b"x"), boundary="b" * 500)),
        ("application/json", b'{"file": "x"}'),
        ("", b"x"),
    ],
)
def test_forms_that_are_none(server: Serving, kind: str, body: bytes) -> None:
    before = server.health()["uploads"]
    answer = send("POST", f"{server.url}api/upload", content=body, headers={"content-type": kind}, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "option")
    assert server.health()["uploads"] == before


def test_a_name_in_the_old_way_of_browsers(server: Serving) -> None:
    for given, shown in (("ü.safetensors", "ü.safetensors"), ("a\\b.safetensors", None), ("x.safetensors\x7f", None)):
        body = form((f'Content-Disposition: form-data; name="file"; filename="{given}"', safetensors_of()))
        answer = send(
            "POST",
            f"{server.url}api/upload",
            content=body,
            headers={"content-type": "multipart/form-data; boundary=b"},
            timeout=PATIENCE,
        )
        assert answer.status_code in (200, 422)
        if shown:
            assert answer.json()["name"] == shown


# ------------------------------------------------------------------- limits
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_that_is_too_large(framing: str) -> None:
    with served(Limits(workers=1, upload_bytes=100_000)) as server:
        body = form((FILE, bytes(1_000_000)))
        content: Any = body if framing == "length" else iter([body[:50_000], body[50_000:150_000], body[150_000:]])
        answer = send(
            "POST",
            f"{server.url}api/upload",
            content=content,
            headers={"content-type": "multipart/form-data; boundary=b"},
            timeout=PATIENCE,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "limit")
        assert list(server.service.uploads._folder.iterdir()) == []
        assert server.upload("x.safetensors", bytes(99_000)).status_code == 200


def test_an_upload_that_breaks_off_leaves_nothing(server: Serving) -> None:
    folders = set(server.service.uploads._folder.iterdir())
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as own:
        own.sendall(UPLOADING)
        own.sendall(form((FILE, b"abc"), end=False))
        time.sleep(0.3)
        assert set(server.service.uploads._folder.iterdir()) != folders
    time.sleep(0.5)
    assert set(server.service.uploads._folder.iterdir()) == folders


def test_slow_uploads_have_a_number_and_do_not_keep_others() -> None:
    with served(Limits(workers=1, uploads_at_once=2, body_seconds=2.0)) as server, ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(_slow_upload, server) for _ in range(2)]
        time.sleep(0.4)
        answer = server.upload("x.safetensors", safetensors_of())
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
        assert server.ask("count", {"source": "4-3-2"})["parameters"]["total"] == 23
        assert all(each.result(PATIENCE).startswith(b"HTTP/1.1 408") for each in slow)
        assert server.upload("x.safetensors", safetensors_of()).status_code == 200


def _slow_upload(server: Serving) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as own:
        own.sendall(UPLOADING)
        own.sendall(form((FILE, b"abc"), end=False))
        received = b""
        while part := own.recv(65_536):
            received += part
        return received


def test_an_upload_that_drips_is_ended() -> None:
    with (
        served(Limits(workers=1, upload_seconds=1.0)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as own,
    ):
        own.sendall(UPLOADING)
        own.sendall(form((FILE, b"abc"), end=False))
        for _ in range(10):
            time.sleep(0.2)
            try:
                own.sendall(b"x")
            except OSError:
                break
        assert own.recv(65_536).startswith(b"HTTP/1.1 408")


def test_the_oldest_files_go() -> None:
    with served(Limits(workers=1, uploads=2, uploads_bytes=1_000)) as server:
        sources = [source_of(server, f"x{number}.safetensors", safetensors_of((number + 1, 4))) for number in range(3)]
        assert server.health()["uploads"] == 2
        answer = server.post("count", {"source": sources[0]})
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            422,
            "there is no such upload, or it has been removed.",
        )
        assert server.ask("count", {"source": sources[2]})["parameters"]["total"] == 12
        source_of(server, "large.safetensors", safetensors_of() + bytes(800))
        assert server.health()["uploads"] == 1
        assert len(list(server.service.uploads._folder.iterdir())) == 1


def test_what_was_answered_about_a_file_goes_with_it() -> None:
    with served(Limits(workers=1, upload_age_seconds=1.0)) as server:
        source = source_of(server, "x.safetensors", safetensors_of())
        assert server.ask("count", {"source": source})["parameters"]["total"] == 12
        time.sleep(1.2)
        assert server.post("count", {"source": source}).status_code == 422
        assert list(server.service.uploads._folder.iterdir()) == []


def test_nothing_is_left_when_a_server_ends() -> None:
    with served(Limits(workers=1)) as server:
        source_of(server, "x.safetensors", safetensors_of())
        folder = server.service.uploads._folder
        assert folder.stat().st_mode & 0o077 == 0
        assert folder.exists()
    assert not folder.exists()


def test_tokens_cannot_be_guessed_and_are_no_paths() -> None:
    uploads = Uploads(Limits())
    try:
        with uploads.receiving("x.onnx") as first:
            first.write(b"x")
        token = first.upload.token
        assert len(token) == 32
        assert list(uploads.paths(f"upload:{token}")) == [token]
        for other in (
            "",
            "upload:",
            f"upload:{token[:-1]}",
            f"upload:../{token}",
            token,
            f"upload:{token}/x.onnx",
            None,
            3,
        ):
            assert uploads.paths(other) == {}
    finally:
        uploads.remove_all()
