"""The arithmetic of every printed line is done again, for sources of every kind and every topic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nncost.api import explain
from nncost.counting.quantities import ALL
from nncost.documents.document import Document, Heading, Line, Work
from nncost.explaining.accounts import accounts_of
from nncost.explaining.phase import is_not_shown
from nncost.explaining.topics import COUNTS, TOPICS
from nncost.frontends.arguments import inputs_of
from nncost.ir.graph import PHASES
from nncost.pipeline.count import count_source
from nncost.pipeline.keywords import settings_of
from nncost.pipeline.report_on import report_on
from tests.explaining.explained import CNN

ROOT = Path(__file__).parents[2]
LENET = f"{ROOT / 'examples' / 'lenet.py'}:build"
CONFIGS = ROOT / "tests" / "huggingface" / "configs"
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_ALLOWED = re.compile(r"[0-9+\-*/() ]+")


def light(name: str) -> str:
    onnx = pytest.importorskip("onnx")
    return str(Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx")


def value_of(text: str) -> int | None:
    """The value of printed arithmetic; None if it has letters."""
    plain = re.sub("[⁰¹²³⁴-⁹]+", lambda power: f"**{power[0].translate(_DIGITS)}", text.replace(",", ""))
    plain = plain.replace("·", "*").replace("×", "*").replace("−", "-")
    if not _ALLOWED.fullmatch(plain):
        return None
    result = eval(plain)
    assert result == int(result), text
    return int(result)


def works(explanation: Document) -> Iterator[tuple[str, Work]]:
    """The worked lines under their headings."""
    for section in explanation.sections:
        heading = section.title
        for block in section.blocks:
            if isinstance(block, Heading):
                heading = block.text
            elif isinstance(block, Work):
                yield heading, block


def check_line(line: Line) -> int | None:
    result = value_of(line.result.text)
    for part in (line.formula, line.numbers):
        value = None if part is None or result is None else value_of(part.text)
        assert value is None or value == result, line
    return result


def check_arithmetic(explanation: Document) -> int:
    """Do every line again, and every sum; return how many lines had arithmetic."""
    number = 0
    for heading, work in works(explanation):
        results = [check_line(line) for line in work.lines]
        number += sum(line.numbers is not None and value_of(line.numbers.text) is not None for line in work.lines)
        if work.total is not None and None not in results:
            assert sum(result for result in results if result is not None) == check_line(work.total), heading
    return number


SPECS = [
    ("784-16-16-10", {"examples": 1000, "batch": 32, "optimizer": "adam"}),
    ("3x8x8, conv 4 3 pad=1, batchnorm, gelu, maxpool 2, flatten, dense 10, softmax", {"batch": 3, "optimizer": "adamw"}),
    ("8x16, attention heads=2 causal, layernorm, lstm 4 last, silu, dense 3", {"batch": 2, "optimizer": "lion"}),
    ("3x9x9, conv 4 3 pad=2 stride=2, lrn 5, avgpool 2, conv_transpose 2 3, global_avgpool", {"taps": "valid"}),
    ("16, embedding 50 8, [residual[layernorm, dense 8, gelu_tanh]]*3, rmsnorm, gru 5, dense 2", {"batch": 2}),
    ("4x3x3, [conv 4 1, mish, groupnorm 2, dropout 0.5]*2, instancenorm, flatten, dense 2", {"accumulate": 3, "batch": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "settings"), SPECS)
def test_specs(spec: str, settings: dict[str, Any]) -> None:
    assert check_arithmetic(explain(spec, **settings)) > 5


FILES: list[tuple[str, dict[str, Any]]] = [
    (LENET, {"inputs": inputs_of(("2x1x28x28",)), "loss": "cross_entropy", "optimizer": "adam"}),
    ("Meta-Llama-3-8B.json", {"inputs": inputs_of(("input_ids=1x32",))}),
    ("gpt2", {"inputs": inputs_of(("input_ids=2x16",)), "loss": "cross_entropy", "optimizer": "adamw"}),
    ("resnet50", {"loss": "cross_entropy", "optimizer": "sgd"}),
    ("squeezenet", {}),
]


def source_of(name: str, folder: Path) -> str:
    if name == "gpt2":
        path = folder / "config.json"
        path.write_text('{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 3}', encoding="utf-8")
        return str(path)
    if name.endswith(".json"):
        return str(CONFIGS / name)
    return light(name) if name.isalnum() else name


@pytest.mark.parametrize(("name", "settings"), FILES)
def test_files_modules_and_configurations(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    source = source_of(name, tmp_path)
    explanation = explain(source, **settings)
    assert check_arithmetic(explanation) > 20
    headings = dict(works(explanation))
    report = report_on(source, settings_of(**settings))
    for phase in PHASES:
        for quantity in ("mul", "add", "div", "cmp", "exp", "activations"):
            amount = report.totals[phase][quantity]
            titles = [title for title in headings if title.endswith(f"({phase}.{quantity})")]
            assert bool(titles) == (amount != 0), (phase, quantity)
            if titles:
                work = headings[titles[0]]
                assert value_of((work.total or work.lines[-1]).result.text) == amount


@pytest.mark.parametrize(("name", "settings"), FILES[:4])
def test_everything_is_reached_by_arithmetic(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    counted = count_source(source_of(name, tmp_path), settings_of(**settings))
    accounts = accounts_of(counted, valid_taps=False)
    bare = {(entry.place, quantity) for entry in accounts.entries for quantity in ALL if is_not_shown(entry, quantity)}
    assert bare == set()
    for phase in PHASES:
        for quantity in ("mul", "add", "macs", "activations", "sqrt"):
            total = sum(entry.total(quantity) for entry in accounts.of(phase, quantity))
            assert total == counted.ledger.amount(quantity, phase)


@pytest.mark.parametrize(
    "topic", [*TOPICS, "neurons", *COUNTS, "memory.step_peak", "parameters.bytes", "forward.read_bytes"]
)
@pytest.mark.parametrize(("name", "settings"), [FILES[0], ("784-16-16-10", {})])
def test_every_topic(name: str, settings: dict[str, Any], topic: str, tmp_path: Path) -> None:
    explanation = explain(source_of(name, tmp_path) if "/" in name else name, topic, examples=100, **settings)
    check_arithmetic(explanation)
    assert len(explanation.sections) > 1


RECURRENT = """
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.head = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.memory(x)[0][:, -1])
"""


def test_neurons_and_a_recurrent_module(tmp_path: Path) -> None:
    path = tmp_path / "recurrent.py"
    path.write_text(RECURRENT, encoding="utf-8")
    source, inputs = f"{path}:Network", inputs_of(("2x5x8",))
    for name, given in ((source, inputs), (LENET, inputs_of(("2x1x28x28",))), ("6x4, lstm 3, dense 2", None)):
        (work,) = [work for _, work in works(explain(name, "neurons", inputs=given))]
        assert value_of((work.total or work.lines[0]).result.text) == report_on(name, settings_of(given)).neurons
    text = str(explain(source, inputs=inputs, loss="cross_entropy", optimizer="sgd"))
    assert check_arithmetic(explain(source, inputs=inputs, loss="cross_entropy", optimizer="sgd")) > 10
    assert "h′ = σ(t₂[4])·tanh(c′)" in text


@pytest.mark.parametrize("quantity", ["read_bytes", "write_bytes"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [*FILES[:1], ("784-16-10", {"batch": 3}), ("5x4, lstm 3, [dense 3, relu]*4, dense 2", {}), (CNN, {})],
)
def test_bytes_are_worked_out(name: str, settings: dict[str, Any], quantity: str) -> None:
    explanation = explain(name, quantity, **settings)
    check_arithmetic(explanation)
    report = report_on(name, settings_of(**settings))
    for heading, work in works(explanation):
        if "step" not in heading:
            phase = heading.partition("(")[2].partition(".")[0]
            assert value_of((work.total or work.lines[0]).result.text) == report.totals[phase][quantity]
            assert all(line.numbers is not None for line in work.lines), heading
