"""Commands, specs and options in any combination: answered or refused in a sentence, never a traceback, never for long.

``NNCOST_TRIALS`` asks for a multiple of them, ``NNCOST_FUZZ_SEED`` for others.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nncost.cli.main import run
from nncost.explaining.time import here as time_here
from nncost.explaining.time import instructions as time_instructions
from nncost.explaining.time import steps as time_steps
from nncost.frontends.choices import ACTIVATION_NAMES
from nncost.timing.what_helps import try_out
from tests.spec.test_hostile import BIG, WORDS, composed, mutated, plausible
from tests.trials import trials

EXAMPLES, SEED = trials(300), os.environ.get("NNCOST_FUZZ_SEED", "0")
SECONDS = 10
"""Of the processor, until which each command must be through."""
DOCUMENTED = (0, 2, 3)
"""Exit codes of commands that are not interrupted and have no budget."""

NUMBERS = ["1", "2", "3", "7", "16", "32", "128", "1000", "B", "n", "x"]
HOSTILE = ["0", "-1", "-0", "1.5", "1e3", "1e400", "nan", "inf", "", " ", "９", "٣", "0x10", "1_000", "1,000", "true", "None", "9" * 40, "9" * 1000, BIG + "9", "1" * 10_000,
           "a" * 5_000, "\x00", "\x1b[2J", "\u202eabc", "\ud800", "🙂", "%s", "{0}", "$(id)", "../..", "*", "[", "\\", "'", '"', "\n", "--", "-", "="]  # fmt: skip
CHOICES = {
    "loss": ["squared_error", "cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "sum", "none", "mse", "CE", "own", "hinge"],
    "optimizer": ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "none", "Adam", "lion", "addam"],
    "mode": ["train", "inference", "eval", "trian"], "bias": ["all", "hidden", "none", "some"], "taps": ["dense", "valid", "both"],
    "activation": [*ACTIVATION_NAMES, "Swish", "rellu"], "dtype": ["float32", "float64", "float16", "bfloat16", "float8", "half", "int8"],
    "convention": ["nncost", "torch", "6nd", "fvcore", "gflops"], "backward": ["auto", "derived", "none"], "allocator": ["exact", "cuda", "gpu"],
}  # fmt: skip
NAMES = ["h", "n", "B", "L", "l", "k", "x", "N", "c", "w"]
TOPICS = ["parameters", "neurons", "forward", "loss", "backward", "update", "step", "run", "forward.mul", "backward.add", "step.flops", "parameters.bytes",
          "update.mul", "loss.div", "run.step.mul", "forward.read_bytes", "backward.derivatives", "Forward", "weights", "colour", "shapes", "memory", "macs", "memory.step_peak", "flops", "forward.", ".", "totals.step.add"]  # fmt: skip
QUANTITIES = [
    *TOPICS,
    "parameters.total",
    "memory.step_peak",
    "memory.parameters",
    "forward.macs",
    "run.step.flops",
    "params",
]


def value(rng: random.Random, good: list[str]) -> str:
    return rng.choice(good) if rng.random() < 0.75 else rng.choice(HOSTILE)


def widths(rng: random.Random) -> str:
    """Widths such as people write, most of them right."""

    def size() -> str:
        return rng.choice([*NAMES, "1", "2", "3", "8", "16", "784", "1000", "9" * 12, "9" * rng.choice([5, 30, 300])])

    parts = [size()]
    for _ in range(rng.randint(1, 5)):
        part = size()
        if rng.random() < 0.4:
            part += f":{rng.choice(CHOICES['activation'])}"
        if rng.random() < 0.25:
            part += f"*{rng.choice(['2', '3', 'L', '1000', '9' * 20])}"
        parts.append(part)
    text = rng.choice(["-", "-", "-", " - ", "->", ",", " ", "–"]).join(parts)
    return (
        rng.choice(["h0-h1-...-hl", "784-h1-...-hl-10", "h0-h1:relu-...-h9-3", "h0-...-hl"])
        if rng.random() < 0.1
        else text
    )


PLOTTED = ("layers", "tree", "memory", "roofline", "growth", "time", "compare")


def source(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return widths(rng)
    if kind < 0.7:
        return plausible(rng)
    return (mutated if kind < 0.9 else composed)(rng)


def options(rng: random.Random, own: list[list[str]]) -> Iterator[str]:
    """Some of the options that all counts have, and of a command's own."""
    given: list[list[str]] = [*own]
    for name, choices in CHOICES.items():
        given.append([f"--{name}", value(rng, choices)])
    numbers = {name: value(rng, NUMBERS) for name in ("batch", "examples", "epochs", "accumulate")}
    given += [[f"--{name}", number] for name, number in numbers.items()]
    given += [
        ["--set", f"{rng.choice(NAMES)}={value(rng, NUMBERS)}"],
        ["--set", f"{rng.choice(NAMES)}={value(rng, NUMBERS)}"],
        ["--set", value(rng, NAMES)],
    ]
    given += [
        ["--input", value(rng, ["1x3x8x8", "x=2x4", "1x128:int64", "x=-1x3", "9" * 50 + "x2", "0x3"])],
        ["--freeze", value(rng, ["dense.1", "*", "conv.*", "zzz"])],
    ]
    given += [["--no-bias"], ["--no-reuse"], ["--learn"], ["--no-learn"], ["--verbose"]]
    given += [[f"--{form}"] for form in ("json", "csv", "latex", "markdown", "plain")]
    for name, *given_value in rng.sample(given, min(len(given), rng.choice([0, 0, 1, 1, 2, 3, 5]))):
        yield rng.choice([name[:-1], f"{name}s", name.upper()]) if rng.random() < 0.05 else name
        yield from given_value


def command(rng: random.Random) -> list[str]:
    """A command as nobody would type it, and as many do."""
    by = ["--by", value(rng, ["layer", "op", "phase", "memory", "cause", "dtype", "tensor", "layers"])]
    depth = ["--depth", value(rng, ["1", "2", "3"])]
    kind = rng.random()
    if kind < 0.35:
        own = [
            by,
            depth,
            ["--expand"],
            ["--fits", value(rng, ["8GiB", "500 MB", "1000000", "1", "1e400GiB"])],
            ["--allow-unknown"],
        ]
        return ["count", source(rng), *options(rng, own)]
    if kind < 0.6:
        if rng.random() < 0.05:
            own = [
                ["--batch", value(rng, NUMBERS[:6])],
                ["--dtype", value(rng, CHOICES["dtype"])],
                ["--examples", "100"],
            ]
            return [
                "explain",
                rng.choice(["3-2", "8-4:relu-2", "4, dense 3, softmax", "3-h", "4-5*2-1"]),
                "time",
                *options(rng, own),
            ]
        topic = [value(rng, TOPICS)] if rng.random() < 0.8 else []
        return [
            "explain",
            source(rng),
            *topic,
            *options(rng, [["--why", value(rng, ["torch", "fvcore", "6nd", "nncost"])]]),
        ]
    if kind < 0.75:
        quantity = [value(rng, QUANTITIES)] if rng.random() < 0.7 else []
        own = [
            ["--at", f"{rng.choice(NAMES)}={value(rng, NUMBERS)}"],
            ["--at", value(rng, NAMES)],
            ["--python"],
            ["--mathml"],
        ]
        return ["formula", source(rng), *quantity, *options(rng, own)]
    if kind < 0.87:
        return [
            "predict",
            source(rng),
            "--on",
            value(rng, ["a100", "h100", "A100", "rtx4090", "h10"]),
            *options(rng, [by, depth, ["--allow-unknown"]]),
        ]
    if kind < 0.92:
        own = [
            by, depth, ["--over", value(rng, ["h=1..64", "h=16..4096", "k=2..9", "h", "h=9..1"])], ["--on", value(rng, ["a100", "h10"])],
            ["--quantity", value(rng, [*QUANTITIES, "flops", "bytes", "parameters"])], ["--top", value(rng, NUMBERS)], ["--theme", value(rng, ["light", "dark"])],
            ["--html"], ["--allow-unknown"],
        ]  # fmt: skip
        words = [
            source(rng),
            *([source(rng)] if rng.random() < 0.2 else []),
            *([value(rng, PLOTTED)] if rng.random() < 0.9 else []),
        ]
        return ["plot", *rng.sample(words, len(words)), *options(rng, own)]
    if kind < 0.935:
        return [
            "devices",
            value(rng, ["h100", "A100", "tpu", "rtx 4090"]),
            *rng.choice([[], ["--json"], ["--csv"], ["--markdown"]]),
        ]
    if kind < 0.95:
        return [source(rng), *options(rng, [by, depth])]
    words = [rng.choice([*HOSTILE, *WORDS, "count", "explain", "Formula", "devices", "coverage", "--help", "-h", "--version", "--json", "help"]) for _ in range(rng.randint(0, 5))]  # fmt: skip
    return [word for word in words if word != "-"]


@contextmanager
def time_limit(seconds: int) -> Iterator[list[bool]]:
    """Note whether a block took longer than that of the processor."""
    over: list[bool] = []
    before = signal.signal(signal.SIGVTALRM, lambda *_: over.append(True))
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield over
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def check(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command and look at what it printed; return what went to standard error."""
    with time_limit(SECONDS) as is_over:
        code = run(arguments)
    printed = capsys.readouterr()
    assert not is_over
    assert code in DOCUMENTED
    assert "Traceback" not in printed.err or "--verbose" in arguments
    shown = printed.out + ("" if "--verbose" in arguments else printed.err)
    assert all(character.isprintable() or character == "\n" for character in shown)
    if code == 2:
        assert printed.out == ""
        assert "nncost: error: " in printed.err or not arguments
    elif "--json" in arguments and "--help" not in arguments and "-h" not in arguments and "--version" not in arguments:
        json.loads(printed.out)
    return printed.err


def test_any_command_is_answered_or_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        time_instructions.shutil, "which", lambda name: None
    )  # valgrind takes seconds, and other tests run it
    monkeypatch.setattr(time_here, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(time_steps, "REHEARSAL_SECONDS", 0.0)
    monkeypatch.setattr(try_out, "SECONDS", 0.2)
    codes: dict[str, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(EXAMPLES):
            arguments = command(random.Random(f"{SEED} {number}"))
            try:
                said = check(arguments, capsys)
                if shown := re.findall(r"^Try: +nncost (.+)$", said, re.MULTILINE):
                    check(shlex.split(shown[-1]), capsys)
            except BaseException as error:
                error.add_note(f"example {number}: nncost {shlex.join(arguments)[:2_000]!r}")
                raise
            codes[said[:14]] = codes.get(said[:14], 0) + 1
    assert codes.get("", 0) > EXAMPLES // 10  # Many are answered, many refused.
    assert codes.get("nncost: error:", 0) > EXAMPLES // 10


MANY = "-".join(f"n{number}" for number in range(100))


@pytest.mark.parametrize(
    "arguments",
    [
        ["formula", MANY], ["formula", "cxhxw, " + ", ".join(["conv m 3 stride=2 pad=1", "maxpool 2"] * 8)], ["formula", f"h-w-{BIG[:300]}*2"],
        ["explain", f"nx{BIG[:300]}x3xk, selu"], ["explain", f"1x{BIG}x3, adaptive_avgpool 2"], ["explain", f"1x3x3, lrn {BIG}"],
        ["explain", "h0-h1-...-hl", "run", "--examples", "10", "--batch", "7" * 200], ["explain", "3xhxw, maxpool 2, avgpool 2"], ["explain", f"2x{BIG}, relu, dense {BIG}", "memory"],
        ["explain", "3-2", "--freeze", "*"], ["explain", "784-16-16-10", "time", "--dtype", "x"], ["predict", "-".join(["3"] * 2_000), "--on", "a100"],
        ["count", "4, " + "residual[" * 39 + "dense 4" + "]" * 39, "--expand", "--latex"], ["count", "784-h-10", "--batch", "x" * 100_000],
        ["count", "784-10", "--batch", BIG, "--examples", BIG, "--epochs", BIG, "--accumulate", BIG, "--json"], ["count", "3" * 1_000_000],
        ["count", "784-10", "--fits", "9" * 30 + "PiB"], ["count", "[" * 100_000], ["-h*-h*-h*", "--plain"], ["count", "-x-y-z"], ["formula", "784-h-10", "--at", f"h={BIG}"],
        ["predict", "784-10", "--on", "a100", "--examples", BIG], ["explain", "3-2", "time", "--examples", "B"], ["explain", "3-2", "time", "--examples", BIG, "--epochs", BIG],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)  # fmt: skip
def test_hostile_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each of these took minutes, ended in a traceback, or would if a limit were missing."""
    check(arguments, capsys)


def test_names_of_files_tell_a_terminal_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net\x1b]0;owned\x07\u202e.nncost"
    path.write_text("784-16-10")
    for command in ("count", "explain", "formula"):
        for form in ([], ["--markdown"], ["--latex"]):
            check([command, str(path), *form], capsys)
