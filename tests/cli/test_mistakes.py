"""What people type, and nearly type: it is read as it is meant, or answered with what works when pasted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import nncost
from nncost.cli.main import run

Capture = pytest.CaptureFixture[str]

PARAMETERS = 784 * 16 + 16 + 16 * 10 + 10


@pytest.mark.parametrize(
    "spec",
    [
        "784-16-10", "784–16–10", "784—16—10", "784−16−10", "784 - 16 - 10", "784->16->10", "784 -> 16 -> 10", "784→16→10",
        "784,16,10", "784, 16, 10", "[784, 16, 10]", "(784, 16, 10)", "784 16 10", "[784 16 10]", "784=>16=>10",
    ],
)  # fmt: skip
def test_widths(spec: str) -> None:
    report = nncost.count(spec)
    assert (report.parameters.total, report.source.name) == (PARAMETERS, "784-16-10")


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("784-16:ReLU-10", "784-16:relu-10"), ("784-16:Sigmoid-10", "784-16-10"), ("784-16:swish-10", "784-16:silu-10"),
        ("784-16:linear-10:Identity", "784-16:none-10:none"), ("784-16:LeakyReLU-10", "784-16:leaky_relu-10"),
        ("784-16:leakyrelu-10", "784-16:leaky_relu-10"), ("784-16:TANH-10", "784-16:tanh-10"),
        ("3×32×32, conv 16 3×3, relu", "3x32x32, conv 16 3x3, relu"), ("3x8x8, Conv2d 4 3x3, ReLU", "3x8x8, conv 4 3x3, relu"),
        ("3x8x8, MaxPool 2, Flatten, Linear 10", "3x8x8, maxpool 2, flatten, dense 10"),
        ("8, FC 4, BatchNorm, Softmax", "8, dense 4, batchnorm, softmax"),
    ],
)  # fmt: skip
def test_names_in_specs(spec: str, meant: str) -> None:
    assert nncost.count(spec).to_dict()["totals"] == nncost.count(meant).to_dict()["totals"]


@pytest.mark.parametrize(
    ("option", "said", "meant"),
    [
        ("loss", "MSE", "squared_error"), ("loss", "mse", "squared_error"), ("loss", "Cross-Entropy", "cross_entropy"),
        ("loss", "crossentropy", "cross_entropy"), ("loss", "BCE", "binary_cross_entropy"), ("loss", "None", "none"),
        ("optimizer", "SGD", "sgd"), ("optimizer", "Adam", "adam"), ("optimizer", "AdamW", "adamw"),
        ("optimizer", "sgd momentum", "momentum"), ("optimizer", "RMSProp", "rmsprop"), ("optimizer", "nag", "nesterov"),
        ("dtype", "fp16", "float16"), ("dtype", "half", "float16"), ("dtype", "bf16", "bfloat16"), ("dtype", "FP32", "float32"),
        ("dtype", "Double", "float64"), ("mode", "Train", "train"), ("mode", "eval", "inference"), ("mode", "training", "train"),
        ("activation", "ReLU", "relu"), ("activation", "Swish", "silu"), ("bias", "Hidden", "hidden"), ("taps", "VALID", "valid"),
    ],
)  # fmt: skip
def test_values_of_options(option: str, said: str, meant: str) -> None:
    assert nncost.count("8-4-2", **{option: said}).to_dict() == nncost.count("8-4-2", **{option: meant}).to_dict()


def table() -> list[tuple[str, str]]:
    """Pairs from ``mistakes.txt``: what is typed, and the command that is meant or what is said of it."""
    lines = (Path(__file__).parent / "mistakes.txt").read_text().splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    return [(typed, meant.strip()) for typed, meant in zip(rows[::2], rows[1::2], strict=True)]


MISTAKES = table()


def test_there_are_many_mistakes() -> None:
    assert len(dict(MISTAKES)) == len(MISTAKES) > 150


@pytest.mark.parametrize(("typed", "meant"), MISTAKES)
def test_mistakes_are_answered(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer shows where or what the fault is, what is accepted, and a command that works when it is pasted."""
    said, shown = answered(shlex.split(typed), capsys)
    suggested = set() if meant.startswith("- ") else set(shlex.split(meant))
    wrong = [word for word in shlex.split(typed) if word not in suggested]
    assert (
        "^" in said
        or not wrong
        or any(word.partition("=")[0].lstrip("-").removeprefix("no-")[:9] in said for word in wrong)
    )
    if meant.startswith("- "):
        assert meant.removeprefix("- ") in said
        assert shown.endswith("--help")
    else:
        assert shown == meant
    assert run(shlex.split(shown)) == 0
    assert capsys.readouterr().out


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What a refused command is told, and the command at the end of it."""
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("nncost: error: ")
    said, _, shown = printed.err.rstrip().rpartition("\n")
    form = re.fullmatch(r"(?:Try|Help): +nncost (.+)", shown)
    assert form is not None, printed.err
    return said, form[1]


# ------------------------------------------------------------------- files, folders, names of models
@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as people have it, and the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.nncost").write_text("784-16-10")
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n    def __init__(self, width=3):\n        super().__init__()\n\n"
        "class Wide(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n\n"
        "def load(path):\n    raise SystemExit\n\ndef build():\n    return nn.Linear(3, 2), (1, 3)\n"
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "inner.nncost").write_text("3-2")
    for name in ("model.zip", "cat.png", "table.csv", "net.ipynb", "notes.txt", "model.pkl", "weights"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "said", "meant"),
    [
        (".", "'.' is a folder", "small.nncost"), ("models", "models/inner.nncost", "models/inner.nncost"), ("models/", "is a folder", "models/inner.nncost"),
        ("small.ncost", "Did you mean 'small.nncost'?", "small.nncost"), ("./smal.nncost", "there is no file", "small.nncost"),
        ("small", "there is no file or folder 'small'", "small.nncost"), ("models/iner.nncost", "there is no file", "models/inner.nncost"),
    ],
)  # fmt: skip
def test_a_path_that_is_nearly_right(source: str, said: str, meant: str, folder: Path, capsys: Capture) -> None:
    answer, shown = answered(["count", source], capsys)
    assert said in answer
    assert shown == f"count {meant}"
    assert run(shlex.split(shown)) == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("empty", ["'empty' is a folder without a model in it", ".onnx", "config.json", "784-16-10"]),
        ("nowhere/model.onnx", ["there is no file", "There is no folder 'nowhere'"]),
        ("net.py", ["say which function or class", "In it: build, Net.", "nncost count net.py:build"]),
        ("model.zip", ["of a kind that is not read", "Unpack it", ".safetensors"]),
        ("cat.png", ["An image is an input, not a network", "--input 1x3x224x224"]),
        ("table.csv", ["nncost train 64-64:relu-10 --data table.csv --target COLUMN"]),
        ("missing.csv", ["there is no such file", "nncost train 64-64:relu-10 --data missing.csv --target COLUMN"]),
        ("net.ipynb", ["nncost.count(module, inputs)", "jupyter nbconvert --to script net.ipynb"]),
        ("notes.txt", ["nncost count - < notes.txt"]), ("model.pkl", ["A pickle is code"]),
        ("model.mlmodel", ["Export the model as ONNX"]), ("graph.pb", ["Of a SavedModel, name its folder"]), ("model.xyz", ["unknown kind", ".onnx", "784-16-10"]),
        ("weights", ["'weights' is a file of a kind that is not read", ".safetensors"]),
        ("https://example.com/model.onnx", ["is an address; nothing is downloaded", "curl -L -o model.onnx https://example.com/model.onnx"]),
        ("https://huggingface.co/openai/gpt-x", ["curl -L -o config.json https://huggingface.co/openai/gpt-x/raw/main/config.json"]),
        ("meta-llama/Llama-2-7b", ["nothing is downloaded", "huggingface.co/meta-llama/Llama-2-7b/raw/main/config.json", "nncost count config.json"]),
        ("gpt2", ["huggingface.co/gpt2/raw/main/config.json"]), ("bert-base-uncased", ["huggingface.co/bert-base-uncased/"]),
        ("resnet18", ["nncost count torchvision.models:resnet18 --input 1x3x224x224"]), ("ResNet-50", ["torchvision.models:resnet50"]),
        ("", ["the spec is empty", "784-16-16-10"]), ("   ", ["the spec is empty"]), ("🙂", ["received '🙂'", "^"]), ("模型", ["received '模'", "^"]),
        ("/", ["is a folder"]), ("~/net.onnx", ["there is no file"]), ("C:\\models\\net.onnx", ["there is no file"]), ("x" * 300, ["cannot read the spec"]),
        ("x" * 2_000_000, ["may have 1,000,000 characters, received 2,000,000"]), ("9" * 5_000, ["cannot read the spec"]), ("-".join(["9" * 1_001] * 2), ["1,000 digits"]),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_is_no_source(source: str, said: list[str], folder: Path, capsys: Capture) -> None:
    """Each is a sentence that helps; nothing is run, opened or fetched."""
    pytest.importorskip("torch") if source == "net.py" else None
    assert run(["count", source]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err) < 1_500
    for part in said:
        assert part in printed.err


@pytest.mark.parametrize(("typed", "meant"), [("net.py:biuld", "net.py:build"), ("nett.py:build", "net.py:build")])
def test_an_entry_point_that_is_nearly_right(typed: str, meant: str, folder: Path, capsys: Capture) -> None:
    pytest.importorskip("torch")
    _, shown = answered(["count", typed], capsys)
    assert shown == f"count {meant}"
    assert run(shlex.split(shown)) == 0


def test_a_width_may_be_called_as_a_model_if_it_is_bound() -> None:
    assert nncost.count("gpt-h-10", symbols={"gpt": 3, "h": 2}).parameters.total == 3 * 2 + 2 + 2 * 10 + 10


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("help", "--help"), ("help count", "count --help"), ("version", "--version"), ("devcies", "devices")],
)
def test_words_that_are_no_command(typed: str, shown: str, capsys: Capture) -> None:
    assert answered(shlex.split(typed), capsys)[1] == shown
    assert run([shown]) == 0 if " " not in shown else run(shown.split()) == 0


def test_a_terminal_is_never_told_what_to_do(capsys: Capture) -> None:
    """Control characters, marks of direction and broken ones of whatever is typed are replaced."""
    for text in (
        "3-\x1b[31m4",
        "3-4\x00",
        "a\u202eb-3",
        "3-\ud800",
        "\x07",
        "model\x1b]0;title\x07.onnx",
        "no\x9bsuch.safetensors",
    ):
        for arguments in ([text], ["count", text], ["count", "3-2", "--loss", text], ["count", "3-2", f"--{text}"], ["count", "3-2", "--batch", text],
                          ["explain", "3-2", text], ["formula", "3-2", text], ["predict", "3-2", "--on", text], ["devices", text],
                          ["count", "3-2", "--set", f"{text}=3"], ["count", "3-2", "--freeze", text], ["count", "3-2", "--fits", text],
                          ["count", "3-2", "--input", text], ["count", "3-2", "--by", text], ["count", "3-2", text]):  # fmt: skip
            run(arguments)
            printed = capsys.readouterr()
            assert all(character.isprintable() or character == "\n" for character in printed.err + printed.out), (
                arguments
            )


def test_a_source_alone_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for command in ("784-16-10 --json", "count 784-16-10 --json"):
        assert run(shlex.split(command)) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = "".join(capsys.readouterr())
    assert "nncost count 784-16-16-10" in shown
    assert "error" not in shown


def test_json_is_whole_whatever_the_rows(capsys: Capture) -> None:
    whole = printed_json(["784-16-10"], capsys)
    for options in (["--by", "op"], ["--depth", "1"], ["--expand"], ["--shapes"]):
        assert run(["count", "784-16-10", "--json", *options]) == 0
        shown = capsys.readouterr()
        assert shown.out == whole
        assert f"nncost: {options[0]}: about the rows of a table" in shown.err


def printed_json(arguments: list[str], capsys: Capture) -> str:
    assert run(["count", *arguments, "--json"]) == 0
    return capsys.readouterr().out


def test_only_options_are_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "json", "--csv"]) == 2
    assert "contradicts" not in capsys.readouterr().err
