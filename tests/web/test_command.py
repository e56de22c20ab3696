"""``nncost web`` as people run it: where it is, how it ends, and what it says if it cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.web.serving import send

PATIENCE = 60.0
COMMAND = (sys.executable, "-m", "nncost", "web")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; the process and its address. Its standard output must stay empty."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline() + process.stderr.readline()
        assert "processes answer, with at most 20 s" in said
        address = re.search(r"http://\S+/", said)
        assert address is not None, said
        yield process, address[0]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def stopped(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_it_answers_and_ends_with_ctrl_c() -> None:
    with running() as (process, address):
        answer = send("POST", f"{address}api/count", json={"source": "784-16-16-10"}, timeout=PATIENCE)
        assert answer.json()["parameters"]["total"] == 13_002
        code, out, err = stopped(process, signal.SIGINT)
    assert code == 130
    assert out == ""
    assert err.endswith("nncost: interrupted.\n")
    assert "Traceback" not in err


def test_what_a_killed_server_left_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    other = tmp_path / "nncost-web-notes"
    other.mkdir()
    with running() as (process, address):
        send("POST", f"{address}api/upload", files={"file": ("x.gguf", b"GGUF")}, timeout=PATIENCE)
        process.kill()
        process.wait(PATIENCE)
    left = {path.name for path in tmp_path.iterdir()} - {other.name}
    assert len(left) == 2
    with running() as (process, _):
        now = {path.name for path in tmp_path.iterdir()} - {other.name}
        assert not left & now
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_ctrl_c_before_it_has_started() -> None:
    process = subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    code, out, err = stopped(process, signal.SIGINT)
    assert code in (
        130,
        -signal.SIGINT,
    )  # Python itself ends so where code made of text was interrupted; shells say 130
    assert out == ""
    assert "Traceback" not in err


def test_ctrl_c_while_it_works() -> None:
    heavy = "4x8x8, " + ", ".join(["conv 8 3x3 pad=1", "relu"] * 950)
    with running() as (process, address):
        with pytest.raises(httpx.TimeoutException):
            send("POST", f"{address}api/explain", json={"source": heavy}, timeout=1)
        begun = time.monotonic()
        code, _, err = stopped(process, signal.SIGINT)
        assert time.monotonic() - begun < PATIENCE / 2
    assert code == 130
    assert "Traceback" not in err


def test_it_ends_when_it_is_asked_to() -> None:
    with running() as (process, _):
        code, _, err = stopped(process, signal.SIGTERM)
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in err


@pytest.mark.parametrize("resets", [False, True])
def test_clients_that_hang_up_do_not_end_it(resets: bool) -> None:
    """Each goes while an answer of several parts is on the way; writing to nobody is a signal, which ends other commands."""
    with running() as (process, address):
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        asked = b"GET /page/app.js HTTP/1.1\r\nHost: " + f"{host}:{port}".encode() + b"\r\n\r\n"
        for number in range(200):
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
                if resets:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(asked * (1 + number % 3))
        assert send("GET", f"{address}health", timeout=PATIENCE).status_code == 200
        assert process.poll() is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say which signals are ignored")
def test_the_signal_of_who_hangs_up_is_ignored() -> None:
    """The other tests of it depend on the moment; this one does not."""
    with running() as (process, _):
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = re.search(r"^SigIgn:\s*([0-9a-f]+)$", status, re.MULTILINE)
        assert ignored is not None
        assert int(ignored[1], 16) >> (signal.SIGPIPE - 1) & 1


def test_workers_that_are_gone_do_not_end_it() -> None:
    """Writing to a process that is gone is a signal, too."""
    with running() as (process, address):
        for width in range(1, 9):
            for line in _children(process.pid):
                os.kill(int(line.split()[0]), signal.SIGKILL)
            answers = [
                send("POST", f"{address}api/count", json={"source": f"4-{width}-{n}"}, timeout=PATIENCE) for n in (1, 2)
            ]
            assert all("error" in answer.json() or answer.status_code == 200 for answer in answers)
        assert process.poll() is None


def test_no_process_is_left(tmp_path: object) -> None:
    with running() as (process, address):
        send("POST", f"{address}api/count", json={"source": "4-3-2"}, timeout=PATIENCE)
        group = {int(line.split()[0]) for line in _children(process.pid)}
        assert group
        stopped(process, signal.SIGINT)
    time.sleep(0.3)
    assert not [each for each in group if _is_running(each)]


def _children(parent: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[1] == str(parent)]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_a_port_that_is_in_use() -> None:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        port = own.getsockname()[1]
        done = run("--port", str(port))
    assert done.returncode == 2
    assert f"nncost: error: port {port} is in use on 127.0.0.1." in done.stderr
    assert f"nncost web --port {port + 1}" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", "x"), "--port takes a number from 0 to 65,535"),
        (("--port", "70000"), "--port takes a number from 0 to 65,535"),
        (("--port", "-1"), "--port takes"),
        (("--host", "no.such.host.invalid"), "is no address of this machine"),
        (("--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
        (("784-10",), "It takes options alone.\nTry: nncost web\n"),
    ],
)
def test_what_cannot_be_listened_on(options: tuple[str, ...], words: str) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_packages() -> None:
    script = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fastapi': raise ModuleNotFoundError(name)\n"
        "import importlib.util\n"
        "before = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'fastapi' else before(name, *rest)\n"
        "from nncost.cli.main import run\n"
        "sys.exit(run(['web']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert "'fastapi', which is not installed" in done.stderr
    assert 'pip install "nncost[web]"' in done.stderr


def test_an_address_of_version_six() -> None:
    try:
        with socket.socket(socket.AF_INET6) as own:
            own.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with running("--host", "::1") as (_, address):
        assert address.startswith("http://[::1]:")
        assert send("GET", f"{address}health", timeout=PATIENCE).json()["status"] == "ok"
