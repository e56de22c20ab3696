"""What an explanation adds up is what the report says."""

from __future__ import annotations

from typing import Any

import pytest

from nncost.dims import tidy
from nncost.notation.written import written
from nncost.pipeline.report_on import report_on
from tests.explaining.explained import CNN, GPT, explained, number, result_of, settings_of, sums

CASES: list[tuple[str, dict[str, Any]]] = [
    ("784-16-16-10", {}),
    ("784-16-16-10", {"batch": 64, "optimizer": "adam"}),
    ("30-30-30", {"accumulate": 3, "batch": 2}),
    (CNN, {"batch": 8}),
    (CNN, {"taps": "valid", "convention": "torch"}),
    ("1x28x28, conv 4 5, tanh, avgpool 2, flatten, dense 10, softmax", {"loss": "cross_entropy"}),
    ("5x4, lstm 3, dense 2", {"batch": 2, "optimizer": "momentum"}),
    ("6x4, [residual[lstm 4]]*3", {}),
    (GPT, {"batch": 1}),
    (GPT, {"batch": "B"}),
    ("784-h*L-10", {"batch": "B"}),
    ("h0-h1-...-hl", {"batch": "B"}),
    ("4, [dense 4, relu]*3, dense 2", {"batch": 2, "freeze": ("dense.1.bias",)}),
    ("784-" + "512-" * 100 + "10", {}),
    ("8-4-2", {"loss": "none"}),
]


@pytest.mark.parametrize(("spec", "settings"), CASES)
def test_sums_are_the_reports(spec: str, settings: dict[str, Any]) -> None:
    report = report_on(spec, settings_of(**settings))
    seen = dict(sums(explained(spec, **settings)))
    for path, work in seen.items():
        assert result_of(work) == written(tidy(report.quantity(path))).text, path
    for phase in ("forward", "backward", "update"):
        for name in ("mul", "add", "div", "cmp", "exp"):
            assert (f"{phase}.{name}" in seen) == (report.totals.get(phase, {}).get(name, 0) != 0)


@pytest.mark.parametrize(
    ("spec", "settings"), [case for case in CASES if "B" not in case[1].values() and "L" not in case[0]]
)
def test_lines_add_up(spec: str, settings: dict[str, Any]) -> None:
    for path, work in sums(explained(spec, **settings)):
        assert sum(number(line.result.text) for line in work.lines) == number(result_of(work)), path


def test_the_numbers_everyone_agrees_on() -> None:
    totals = {path: result_of(work) for path, work in sums(explained("784-16-16-10"))}
    assert totals["forward.mul"] == totals["forward.add"] == "12,960"
    assert totals["backward.mul"] == "13,460"
    assert totals["backward.add"] == "426"
    assert totals["backward.derivatives"] == "13,002"
    assert totals["forward.activations"] == "42"
    large = {path: result_of(work) for path, work in sums(explained("784-16-16-10", batch=64))}
    assert (large["backward.mul"], large["backward.add"]) == ("861,440", "846,390")
    small = {path: result_of(work) for path, work in sums(explained("30-30-30"))}
    assert (small["forward.mul"], small["backward.mul"]) == ("1,800", "2,820")


@pytest.mark.parametrize("quantity", ["total", "weights", "biases", "trainable", "bytes", "buffers"])
def test_each_quantity_of_the_parameters(quantity: str) -> None:
    explanation = explained(CNN, f"parameters.{quantity}", freeze=("conv.1",))
    report = report_on(CNN, settings_of(freeze=("conv.1",)))
    assert explanation.sections[-1].title == f"parameters.{quantity} = {report.quantity(f'parameters.{quantity}'):,}"


@pytest.mark.parametrize(
    "path", ["forward.macs", "forward.read_bytes", "backward.write_bytes", "update.read_bytes", "loss.mul"]
)
def test_other_quantities(path: str) -> None:
    ((seen, work),) = sums(explained("784-16-16-10", path))
    assert seen == path
    assert number(result_of(work)) == report_on("784-16-16-10", settings_of()).quantity(path)


@pytest.mark.parametrize("examples", [60_000, 64, 63, 1])
@pytest.mark.parametrize("quantity", ["mul", "flops", "derivatives"])
def test_run(examples: int, quantity: str) -> None:
    settings = {"examples": examples, "epochs": 10, "batch": 64}
    explanation = explained("784-16-16-10", f"run.step.{quantity}", **settings)
    report = report_on("784-16-16-10", settings_of(**settings))
    ((path, work),) = sums(explanation)
    assert path == f"run.step.{quantity}"
    assert number(result_of(work)) == report.quantity(path)
    assert sum(number(line.result.text) for line in work.lines) == report.quantity(path)
