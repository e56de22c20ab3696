"""What people type, and nearly type: it is read as it is meant, or answered with what works when pasted."""

from __future__ import annotations

import re
import shlex

import pytest

import nncost
from nncost.cli.main import run

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


@pytest.mark.parametrize(
    ("command", "word", "suggestion"),
    [
        ("count 784-128-relu-10", "relu", "784-128:relu-10"),
        ("count 784-128-ReLU-64-softmax-10", "ReLU", "784-128:ReLU-64:softmax-10"),
        ("count 784-dropout-10", "dropout", "784, dense 128, dropout 0.1, dense 10"),
        ("count 784-16:rellu-10", "rellu", "relu"),
        ("count '3x8x8, conv 4 3x3, rellu'", "rellu", "'relu'"),
        ("count '3x8x8, convv 4 3x3'", "convv", "'conv'"),
        ("count 784", "784", "784-16-10"),
        ("count 784x16x10", "784x16x10", "784-16-10"),
        ("count 784-16-10 --loss mze", "mze", "'squared_error'"),
        ("count 784-16-10 --optimizer addam", "addam", "'adam'"),
        ("count 784-16-10 --dtype flot32", "flot32", "'float32'"),
        ("count 784-16-10 --activation rleu", "rleu", "relu"),
        ("count 784-16-10 --mode trian", "trian", "'train'"),
        ("count 784-16-10 --bacth 3", "--bacth", "--batch"),
        ("count 784-16-10 --optimzer adam", "--optimzer", "--optimizer"),
        ("cuont 784-16-10", "cuont", "'count'"),
        ("exlpain 784-16-10", "exlpain", "'explain'"),
        ("count h0..hl", "h0..hl", "h0-h1-...-hl"),
        ("count .", "'.'", "nncost count folder/model.onnx"),
        ("count net.ipynb", "net.ipynb", "nncost.count(module, inputs)"),
        ("count 784-16-10 --json --csv", "--json", "one format"),
        ("count", "SOURCE", "nncost count --help"),
        ("explain 784-16-10 fowrard", "fowrard", "'forward'"),
    ],
)
def test_mistakes_are_answered(command: str, word: str, suggestion: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(command)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("nncost: error: ")
    assert word in printed.err
    assert suggestion in printed.err


@pytest.mark.parametrize("command", ["count 784-128-relu-10", "count 784x16x10", "count 784", "count h0..hl"])
def test_a_spec_that_is_suggested_counts(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(command)) == 2
    (spec,) = re.findall(r":  (\S+)$", capsys.readouterr().err.strip())
    assert nncost.count(spec).parameters.total != 0


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


def test_only_options_are_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["count", "json", "--csv"]) == 2
    assert "contradicts" not in capsys.readouterr().err
