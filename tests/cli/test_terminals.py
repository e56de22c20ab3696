"""Every command on terminals of 40 to 120 columns and in pipes, in UTF-8, cp1252 and ASCII, with and without colour."""

from __future__ import annotations

import itertools
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nncost.api
import nncost.timing.calibration.calibrate
from nncost.cli.main import _COMMANDS, EXAMPLES, commands, run
from nncost.documents.characters import plainly
from nncost.documents.lines import columns
from nncost.explaining.topics import NEURONS, TOPICS
from nncost.frontends import registry
from tests.cli.screens import COLOUR, SOURCES, Screen, Setting, Shown, remembered, shown
from tests.documents.test_formats import coverage, measurement, training
from tests.timing.machines import made_up

WIDTHS = (40, 60, 80, 120, None)
ENCODINGS = ("utf-8", "cp1252", "ascii")
SETTINGS = [Setting(*each) for each in itertools.product(WIDTHS, ENCODINGS, (False, True))]

CNN = "3x224x224, [conv 64 3x3 pad=1, relu]*2, batchnorm, maxpool 2, flatten, dense 1000, softmax"
GPT = (
    "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], "
    "residual[layernorm, dense 3072, gelu, dense 768]]*12, layernorm, dense 50257 bias=no"
)
DEEP = "8, [[[[residual[dense 8, relu]]*2]*2]*2]*2, dense 3"
HUGE = "1" + "0" * 60 + "-h-10"
RESULTS: dict[str, list[str]] = {
    "count": ["count", "784-16-16-10"],
    "without a command": ["784-16-16-10"],
    "large numbers": ["count", CNN, "--batch", "32", "--examples", "50000", "--optimizer", "adam", "--fits", "8GiB"],
    "long names": ["count", DEEP, "--batch", "3"],
    "expanded": ["count", GPT, "--expand", "--batch", "2"],
    "by op": ["count", GPT, "--by", "op", "--optimizer", "adamw"],
    "by phase": ["count", GPT, "--by", "phase"],
    "by memory": ["count", CNN, "--by", "memory", "--batch", "8"],
    "depth": ["count", DEEP, "--depth", "1"],
    "symbols": ["count", "784-h*L-10", "--batch", "B", "--examples", "N"],
    "family": ["count", "h0-h1-...-hl"],
    "giants": ["count", HUGE, "--set", "h=1" + "0" * 60],
    "convention": ["count", "784-16-10", "--convention", "torch", "--taps", "valid"],
    "checkpoint": ["count", "m.npz"],
    "tensors": ["count", "m.npz", "--by", "tensor"],
    "spec file": ["count", "café·网络.nncost"],
    **{f"explain {topic}": ["explain", "3x8x8, conv 4 3, batchnorm, relu, maxpool 2, flatten, dense 3, softmax", topic, "--examples", "60000", "--batch", "32"] for topic in (*TOPICS, NEURONS)},
    **{f"explain the update of {name}": ["explain", "3-2", "update", "--optimizer", name] for name in ("sgd", "adam", "lion")},
    "explain all": ["explain", "6x4, lstm 3 bidirectional, gru 2, dense 2, log_softmax", "--examples", "100"],
    "explain symbols": ["explain", "784-h*L-10", "--batch", "B"],
    "explain giants": ["explain", HUGE, "forward"],
    "explain why": ["explain", "784-16-10", "--why", "torch"],
    "formula": ["formula", "784-h*L-10", "--at", "h=128", "--at", "L=3"],
    "formula of a family": ["formula", "h0-h1-...-hl", "step.flops"],
    "predict": ["predict", CNN, "--on", "h100", "--batch", "32", "--examples", "50000"],
    "predict by cause": ["predict", GPT, "--on", "a100", "--by", "cause"],
    "predict here": ["predict", "784-16-10"],
    "plot": ["plot", "784-16-16-10"],
    "plot of many layers": ["plot", GPT, "layers", "--top", "6", "--quantity", "bytes"],
    "plot of a tree": ["plot", DEEP, "tree", "--depth", "3"],
    "plot of memory": ["plot", CNN, "memory", "--batch", "8"],
    "plot of a roofline": ["plot", CNN, "roofline", "--on", "h100"],
    "plot of growth": ["plot", "784-h-10", "growth", "--over", "h=16..4096"],
    "plot of time": ["plot", CNN, "time", "--on", "h100"],
    "plot of a network": ["plot", CNN, "network"],
    "plot of several": ["plot", "784-16-10", "784-128:relu-10", DEEP],
    "measure": ["measure", "784-16-10", "--rows", "5"],
    "train": ["train", "3-2", "--data", "t.csv"],
    "calibrate": ["calibrate"],
    "devices": ["devices"],
    "device": ["devices", "h100"],
    "coverage": ["coverage", "torch"],
    "unknown operators": ["coverage", "torch", "--unknown"],
    "docs": ["docs"],
}  # fmt: skip
ERRORS: dict[str, list[str]] = {
    "no argument": [], "missing argument": ["count"], "unknown option": ["count", "3-2", "--no-such-option"],
    "unknown command": ["frobnicate"], "value of an option": ["measure", "3-2", "--rows", "none"],
    "spec": ["count", "784-" + "16-" * 40 + "1×0,"], "spec in words": ["count", CNN.replace("relu", "rélu")],
    "width": ["count", "784-128-relu-10"], "choice": ["count", "3-2", "--optimizer", "adamm"],
    "formats": ["count", "3-2", "--json", "--csv"], "contradiction": ["count", "3-2", "--bias", "hidden", "--no-bias"],
    "file": ["count", "folder/of/models/with/a/long/name/and/no/model/in/it.onnx"], "quantity": ["formula", "3-h-2", "backward.nothing"],
    "device": ["predict", "3-2", "--on", "h1000"], "page": ["docs", "nothing"], "csv": ["formula", "3-h-2", "--csv"],
    "symbol": ["count", "3-2", "--set", "h=3"], "topic": ["explain", "3-2", "colour"], "needs data": ["train", "3-2"],
    "kind": ["plot", "3-2", "layrs"], "two kinds": ["plot", "3-2", "tree", "layers"], "picture": ["plot", "3-2", "-o", "x.pdf"],
    "theme": ["plot", "3-2", "--theme", "dark"], "nothing grows": ["plot", "3-2", "growth"], "needs a device": ["plot", "3-2", "roofline"],
}  # fmt: skip
HELPS = {f"help of {name}": [name, "--help"] for name in _COMMANDS} | {"help": ["--help"]}
PAGES = {"page": ["docs", "memory"]}


def trained(*_: Any, **__: Any) -> Any:
    return training()


def predicted(source: Any, *, on: str = "this", **settings: Any) -> Any:
    return PREDICT(source, on="h100" if on == "this" else on, **settings)


PREDICT = nncost.api.predict
ANSWERS = {
    "count": nncost.api.count, "explain": nncost.api.explain, "predict": predicted, "measure": lambda *_, **__: measurement(),
    "train_until_interrupted": trained,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Results that take time or a machine are worked out once, or made up."""
    folder = tmp_path_factory.mktemp("sources")
    names = [f"encoder.layers.{n}.self_attention.output.projection" for n in range(3)]
    np.savez(
        folder / "m.npz", **{f"{name}.weight": np.zeros((4, 5), np.float32) for name in names}, émbedding·1=np.ones(3)
    )
    (folder / "café·网络.nncost").write_text("784-16-10", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, remembered(ANSWERS):
        patch.chdir(folder)
        patch.setattr(registry, "coverage", lambda framework: coverage())
        patch.setattr(
            nncost.timing.calibration.calibrate, "calibrate", lambda progress, fresh: (made_up(), Path("profile.json"))
        )
        yield


def all_shown(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Setting, Shown]]:
    """The command in every setting, with what must hold in each."""
    first = shown(arguments, SETTINGS[-2], monkeypatch)
    for setting in SETTINGS:
        result = shown(arguments, setting, monkeypatch)
        assert result.code == first.code, setting
        assert "Traceback" not in result.err, setting
        assert not setting.no_colour or not COLOUR.search(result.raw), setting
        assert setting.width is not None or "\x1b" not in result.raw, setting
        if setting.width is not None:
            for line in (result.out + result.err).splitlines():
                assert columns(line) <= setting.width, (setting, line)
        yield setting, result


def questions(text: str) -> int:
    return text.count("?")


@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(RESULTS[name], Setting(None, "utf-8", no_colour=True), monkeypatch)
    assert whole.code == 0, whole.err
    for setting, result in all_shown(RESULTS[name], monkeypatch):
        for word in whole.titles:
            assert plainly(word, setting.encoding) in result.out, (setting, f"the title {word} is lost")
        foreign = whole.out.count("网络") * questions(plainly("网络", setting.encoding))
        assert questions(result.out) <= questions(whole.out) + foreign, setting
        if setting.width is not None and not setting.no_colour and name != "unknown operators":
            assert "\x1b[" in result.raw, setting


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, result in all_shown(ERRORS[name], monkeypatch):
        assert (result.code, result.out) == (2, ""), setting
        if name != "no argument":
            assert result.err.startswith("nncost: error: "), setting
        assert result.err.endswith("\n"), setting


@pytest.mark.parametrize("name", HELPS)
def test_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, result in all_shown(HELPS[name], monkeypatch):
        assert (result.code, result.err) == (0, ""), setting
        assert result.out.startswith("Usage: nncost"), setting
        context = commands.make_context("nncost", [], resilient_parsing=True)
        command = commands.get_command(context, HELPS[name][0]) or commands
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in result.out, setting


def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (Path(__file__).parents[2] / "docs" / "memory.md").read_text(encoding="utf-8")
    for setting, result in all_shown(PAGES["page"], monkeypatch):
        if setting.width is None:
            assert result.out == "".join(
                plainly(line, setting.encoding) for line in source.splitlines(keepends=True)
            ), setting
        assert result.code == 0


@pytest.mark.parametrize("name", HELPS)
def test_examples_are_read_by_a_shell(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is continued over lines is the one that is not, for a shell."""
    text = EXAMPLES if name == "help" else import_module(f"nncost.cli.{HELPS[name][0]}").HELP
    block = text.partition("\b\n")[2].partition("\n\n")[0]
    for width in (40, 60, 200):
        out = shown(HELPS[name], Setting(width, "utf-8", no_colour=True), monkeypatch).out
        joined = re.sub(r"\s+", " ", re.sub(r" \\\n", " ", out))
        for line in block.splitlines():
            for part in re.split(r" {2,}", line.strip()):
                assert part in joined, width


def test_force_color_colours_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    run(["explain", "3-2", "forward"])
    assert "\x1b[1m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    run(["explain", "3-2", "forward"])
    assert "\x1b" not in capsys.readouterr().out


def test_an_interrupt_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(nncost.api, "count", interrupted)
    assert run(["count", "3-2"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.lstrip()) == ("", "nncost: interrupted.\n")


def test_streams_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(Setting(None, "ascii", no_colour=True))
    monkeypatch.setattr(sys, "stdout", screen)
    run(["count", "3-2"])
    assert screen.errors == "strict"


def on_a_pseudo_terminal(arguments: list[str], width: int, encoding: str) -> tuple[int, str]:
    import fcntl
    import pty
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": encoding, "PYTHONPATH": SOURCES}
    for name in ("NO_COLOR", "COLUMNS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "nncost", *arguments]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as child:
        os.close(follower)
        written = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
    os.close(leader)
    return child.returncode, re.sub(r"\x1b\[[0-9;]*m", "", written.decode(encoding))


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("arguments", "width", "encoding", "code"),
    [
        (["count", CNN], 80, "utf-8", 0), (["explain", "784-16-10", "update", "--optimizer", "adam"], 40, "ascii", 0),
        (["count", "784-" + "16-" * 30 + "1×0,"], 50, "cp437", 2),
    ],
)  # fmt: skip
def test_a_real_terminal(arguments: list[str], width: int, encoding: str, code: int) -> None:
    ended, text = on_a_pseudo_terminal(arguments, width, encoding)
    assert ended == code, text
    assert "Traceback" not in text
    assert max(columns(line.rstrip()) for line in text.splitlines()) <= width, text
