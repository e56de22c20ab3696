"""The command line as a person meets it: output, errors and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncost.cli.main import run

NNCOST = [sys.executable, "-c", "from nncost.cli.main import main; main()"]


def process(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NNCOST, *arguments], capture_output=True, text=True, input=stdin, timeout=60)


def test_json_matches_the_documented_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "784-16-16-10", "--json", "--examples", "60000", "--epochs", "10", "--batch", "32"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "nncost.report/1"
    assert report["source"] == {"kind": "spec", "name": "784-16-16-10", "inputs": {"x": [32, 784]}}
    settings = {
        "batch": 32,
        "dtype": "float32",
        "loss": "squared_error",
        "optimizer": "sgd",
        "convention": "nncost",
        "mode": "train",
    }
    assert settings.items() <= report["settings"].items()
    assert report["complete"] is True
    assert report["unknown"] == []
    assert report["parameters"] == {
        "total": 13002, "trainable": 13002, "weights": 12960, "biases": 42, "other": 0, "buffers": 0, "bytes": 52008,
    }  # fmt: skip
    assert set(report["totals"]) == {"forward", "loss", "backward", "update", "step"}
    assert report["run"]["steps"] == 18_750
    assert report["run"]["totals"]["forward"]["mul"] == 12_960 * 600_000
    first = report["rows"][0]
    assert (first["path"], first["op"], first["phase"], first["parameters"]) == ("dense.1", "dense", "forward", 12560)


@pytest.mark.parametrize("form", ["--csv", "--markdown", "--latex"])
def test_other_forms_hold_the_numbers(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "784-16-16-10", form]) == 0
    shown = capsys.readouterr().out
    assert "12544" in shown.replace(",", "").replace("\\", "")


def test_csv_sums_to_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    import csv
    from io import StringIO

    run(["count", "3x8x8, conv 4 3x3, batchnorm, relu, flatten, dense 10", "--csv"])
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    run(["count", "3x8x8, conv 4 3x3, batchnorm, relu, flatten, dense 10", "--json"])
    totals = json.loads(capsys.readouterr().out)["totals"]
    for phase in ("forward", "loss", "backward", "update"):
        for name in ("mul", "add", "read_bytes"):
            assert sum(int(row[name]) for row in rows if row["phase"] == phase) == totals[phase].get(name, 0)


@pytest.mark.parametrize("by", ["layer", "op", "phase"])
def test_groupings(by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "4x6, lstm 3, dense 2", "--by", by]) == 0
    assert "forward" in capsys.readouterr().out


def test_depth_and_expand(capsys: pytest.CaptureFixture[str]) -> None:
    spec = "4x6, [residual[layernorm, attention heads=2]]*3"
    run(["count", spec, "--depth", "1"])
    assert "repeat.1 " in capsys.readouterr().out
    run(["count", spec, "--expand"])
    assert "softmax" in capsys.readouterr().out
    run(["count", spec])
    assert "×3" in capsys.readouterr().out


def test_every_keyword_has_its_twin() -> None:
    import inspect

    import click

    import nncost
    from nncost.cli.count import command

    keywords = set(inspect.signature(nncost.count).parameters) - {"source"}
    options = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)}
    assert keywords <= options | {"symbols"}


def test_spec_from_standard_input_and_file(tmp_path: Path) -> None:
    done = process("count", "-", "--json", stdin="784-16-16-10  # the textbook network\n")
    assert json.loads(done.stdout)["parameters"]["total"] == 13_002
    path = tmp_path / "net.nncost"
    path.write_text("3x32x32,\n  flatten,  # 3,072 inputs\n  dense 10\n")
    done = process("count", str(path), "--json")
    assert json.loads(done.stdout)["parameters"]["total"] == 30_730


BAD = [
    (["count", "784-"], "^"),
    (["count", "784-16-16-1o.5"], "^"),
    (["count", "3x32x32, conv"], "needs OUT"),
    (["count", "3x32x32, convolutoin 3"], "Did you mean 'conv'"),
    (["count", "missing.onnx"], "no file"),
    (["count", "model.pt"], "no file"),
    (["count", "model.xyz"], "unknown kind"),
    (["count", "."], "is a folder"),
    (["count", "784-16", "--batch", "0"], "whole number"),
    (["count", "784-16", "--batch", "-3"], "whole number"),
    (["count", "784-16", "--optimizer", "adamm"], "Accepted: sgd"),
    (["count", "784-16", "--loss", "mze"], "Accepted: squared_error"),
    (["count", "784-16", "--symbol", "h=3"], "no symbol 'h'"),
    (["count", "784-16", "--symbol", "h"], "NAME=N"),
    (["count", "784-16", "--epochs", "3"], "examples"),
    (["count", "784-16", "--freeze", "dense.9"], "matches no layer"),
    (["count", "784-16", "--convention", "gflops"], "Known conventions"),
    (["count", "784-16", "--by", "colour"], "layer, op, phase"),
    (["count", "784-16", "--input", "1x784"], "does not apply to a spec"),
    (["count", "784-16", "--bias", "hidden", "--no-bias"], "contradicts"),
    (["count", "784-" + "9" * 1001], "1,000 digits"),
    (["formula", "784-h-10", "parameters", "--at", "q=3"], "Its symbols: h"),
    (["formula", "784-h-10", "parameters.everything"], "Quantities:"),
    (["explain", "784-16", "colour"], "colour"),
    (["nothing"], "there is no command"),
    (["count"], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "fragment"), BAD, ids=[" ".join(a)[:40] for a, _ in BAD])
def test_bad_input_is_one_clear_error(arguments: list[str], fragment: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    captured = capfd.readouterr()
    assert fragment in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) <= 6


def test_unknown_operation_exits_with_three(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Mystery", ["x"], ["y"], domain="my.own")
    graph = onnx.helper.make_graph([node], "g", [value("x", 1, [1, 3])], [value("y", 1, [1, 3])])
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("my.own", 1)]
    path = tmp_path / "unknown.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=imports), path)
    assert process("count", str(path)).returncode == 3
    assert "INCOMPLETE" in process("count", str(path)).stdout
    assert process("count", str(path), "--allow-unknown").returncode == 0


def test_missing_extra_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x07")
    hidden = "import sys; sys.modules['onnx'] = None; from nncost.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "count", str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert 'pip install "nncost[onnx]"' in done.stderr


def test_unreadable_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.nncost"
    folder.mkdir()
    assert process("count", str(folder)).returncode == 2
    binary = tmp_path / "binary.nncost"
    binary.write_bytes(bytes(range(256)))
    done = process("count", str(binary))
    assert done.returncode == 2
    assert "UTF-8" in done.stderr


def test_closed_pipe_ends_silently() -> None:
    command = f'"{sys.executable}" -c "from nncost.cli.main import main; main()" count 784-16*60-10 --csv | head -n 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("path,op")
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments", ["count 3-2", "count 3-2 --json", "count 784-16*400-10 --csv", "explain 3-2", "formula 3-h-2"]
)
def test_full_disk_is_one_clear_error(arguments: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*NNCOST, *arguments.split()], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "nncost: error: cannot write the output: No space left on device.\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX shell")
def test_closed_output_is_one_clear_error() -> None:
    command = f'"{sys.executable}" -c "from nncost.cli.main import main; main()" count 3-2 >&-'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "nncost: error: standard output is closed.\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupt_exits_with_130() -> None:
    script = (
        "import nncost.api, signal, time, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "sys.stderr.write('ready\\n'); sys.stderr.flush();"
        "nncost.api.report_on = lambda *a: time.sleep(30);"
        "from nncost.cli.main import main; main()"
    )
    child = subprocess.Popen([sys.executable, "-c", script, "count", "784-16"], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    child.stderr.readline()
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "Traceback" not in errors


def test_plain_output_has_no_markup() -> None:
    done = process("count", "784-16-16-10")
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
