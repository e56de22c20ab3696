"""What runs within a budget, of every kind of source; what cannot run is said, and nothing is left behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nncost.pipeline.keywords import settings_of
from nncost.timing.predict_this_machine import predict_by_replay
from nncost.timing.prediction import Prediction
from nncost.timing.rehearsal import rehearse
from tests.huggingface.architectures import CASES
from tests.onnx.models import make_model, node, saved
from tests.timing.machines import made_up
from tests.timing.measure.test_measure import Draws, random_states
from tests.timing.rehearsal.blocks import WIDTH, Residual
from tests.timing.rehearsal.networks import NOT_TOLD, TOLD

SHAPE = (3, WIDTH)
TRAINED = {"loss": "sum", "optimizer": "adam"}
FEW = rehearse.Limits(warm_up=1, fewest=2, most=3, seconds=0.0)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as tell anything."""
    monkeypatch.setattr(rehearse, "SHORT", FEW)


def predicted(source: Any, *given: Any, budget: float = 60.0, most_share: float = 1.0, **options: Any) -> Prediction:
    """A prediction on a machine that is made up."""
    return predict_by_replay(source, settings_of(*given, **options), made_up(), budget=budget, most_share=most_share)


def check(prediction: Prediction) -> None:
    """What holds of every prediction by steps."""
    seconds = prediction.seconds
    assert all(each.low <= each.value <= each.high for each in seconds.values())
    for phase in ("forward", "backward", "update"):
        rows = [row for row in prediction.rows if row.phase == phase]
        assert sum(row.seconds.value for row in rows) == pytest.approx(seconds[phase].value)
        for row in rows:
            assert sum(row.causes.values()) == pytest.approx(row.seconds.value)
    assert seconds["step"].value == pytest.approx(sum(seconds[p].value for p in ("forward", "backward", "update")))
    assert set(prediction.operators_alone) == {"forward", "backward", "update", "step"}
    assert prediction.noise is not None
    said = prediction.to_dict()
    assert said["label"] == prediction.label
    assert said["how"] == prediction.how
    assert set(said["noise"]) == {"halves", "reference"}
    assert json.loads(json.dumps(said))["operators_alone"]["step"] == prediction.operators_alone["step"].to_list()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An ONNX file, a configuration and a Python file."""
    folder = tmp_path_factory.mktemp("sources")
    model = make_model(
        [node("MatMul", "x w", "h"), node("Relu", "h")], {"x": ["N", 4]}, constants={"w": np.ones((4, 3))}
    )
    (folder / "config.json").write_text(json.dumps(CASES["gpt2"].values))
    (folder / "net.py").write_text("from torch import nn\ndef build():\n    return nn.Linear(4, 3)\n")
    return {
        "onnx": saved(model, folder), "configuration": str(folder / "config.json"),
        "python": f"{folder / 'net.py'}:build",
    }  # fmt: skip


# ------------------------------------------------------------------- every kind of source
@pytest.mark.parametrize("options", [{}, TRAINED], ids=["forward", "training"])
def test_whole_steps_of_a_module(options: dict[str, str]) -> None:
    prediction = predicted(TOLD["residual"](), SHAPE, **options)
    assert prediction.label == "rehearsed"
    assert prediction.how.startswith("rehearsed 2 steps in ")
    assert bool(prediction.seconds["backward"].value) == bool(options)
    check(prediction)


@pytest.mark.parametrize("options", [{}, TRAINED], ids=["forward", "training"])
def test_some_blocks_of_a_module(options: dict[str, str]) -> None:
    prediction = predicted(TOLD["residual"](), SHAPE, most_share=0.5, **options)
    assert prediction.label == "sampled"
    assert re.match(r"ran [23] of [56] equal blocks in 2 steps and ", prediction.how)
    check(prediction)


@pytest.mark.parametrize("spec", ["8-6-4", "8-8-8-8-8-8-8-8", "1x8x8, conv 2 3x3, relu, flatten, dense 3"])
def test_specs(spec: str) -> None:
    prediction = predicted(spec, batch=3, examples=30, epochs=2)
    assert prediction.label == "rehearsed"
    assert prediction.seconds["run"].value == pytest.approx(20 * prediction.seconds["step"].value)
    check(prediction)


@pytest.mark.parametrize("options", [{}, TRAINED], ids=["forward", "training"])
@pytest.mark.parametrize("kind", ["onnx", "configuration", "python"])
def test_files(kind: str, options: dict[str, str], files: dict[str, str]) -> None:
    given = {"inputs": (2, 4)} if kind == "python" else {"batch": 2}
    prediction = predicted(files[kind], **given, **options)
    assert prediction.label == "rehearsed", prediction.how
    check(prediction)


def test_some_blocks_of_a_spec_and_of_a_configuration(tmp_path: Path) -> None:
    """Spec and file are built anew for the steps: their blocks have the names of the recording."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CASES["gpt2"].values | {"n_layer": 8}))
    for source in ("8-8-8-8-8-8-8-8", str(config)):
        prediction = predicted(source, batch=3, most_share=0.5, **TRAINED)
        assert prediction.label == "sampled", prediction.how
        check(prediction)


@pytest.mark.parametrize("budget", [1.0, 86_400.0])
def test_a_large_budget_is_not_used_up(budget: float) -> None:
    prediction = predicted(TOLD["residual"](), SHAPE, budget=budget)
    assert prediction.how.startswith("rehearsed 2 steps in ")


def test_an_optimizer_by_object() -> None:
    module = TOLD["residual"]()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    for share in (1.0, 0.5):
        check(predicted(module, SHAPE, loss=lambda y: y.abs().mean(), optimizer=optimizer, most_share=share))
    assert not optimizer.state


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_script_inside_of_blocks() -> None:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.activation = nn.Linear(WIDTH, WIDTH), torch.jit.script(nn.ReLU())

        def forward(self, x: Any) -> Any:
            return self.activation(self.layer(x))

    module = nn.Sequential(*(Scripted() for _ in range(6)))
    prediction = predicted(module, SHAPE, most_share=0.5, **TRAINED)
    assert prediction.label in ("sampled", "calibrated")


# ------------------------------------------------------------------- what cannot run
def test_no_budget_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "subject_of", lambda *_, **__: pytest.fail("a step ran"))
    prediction = predicted("8-6-4", budget=0.0)
    assert (prediction.label, prediction.noise) == ("calibrated", None)
    assert prediction.how == "operators alone: no time was allowed for steps (budget 0)"
    assert "noise" not in prediction.to_dict()
    assert "operators_alone" not in prediction.to_dict()


def test_a_tiny_budget_says_what_it_does_not_pay() -> None:
    prediction = predicted("8-6-4", budget=1e-12)
    assert prediction.label == "calibrated"
    assert "no part of it fits into" in prediction.how or "take too long to make" in prediction.how


def test_a_step_that_takes_far_longer_than_expected_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse.Rehearsal, "_fits", lambda self, step: True)
    prediction = predicted("8-6-4", budget=1e-3)
    assert prediction.label == "calibrated"
    assert prediction.how.startswith("operators alone: not even one step was over within ")


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_some_blocks_do_not_tell_is_said(name: str) -> None:
    prediction = predicted(NOT_TOLD[name](), SHAPE, most_share=0.5, **TRAINED)
    assert prediction.label == "calibrated"
    assert prediction.how.startswith("operators alone: ")


class Raises(nn.Module):
    """Works on shapes, but not on these values."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.layer, self.error = nn.Linear(WIDTH, WIDTH), error

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        if is_real(y):
            raise self.error
        return y


def is_real(tensor: Any) -> bool:
    """Whether a tensor has memory."""
    try:
        return tensor.data_ptr() != 0
    except RuntimeError:
        return False


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("one line\nand more"), AssertionError(), KeyError("k"), ZeroDivisionError(), MemoryError(),
        NotImplementedError(""), OSError(2, "no file"), StopIteration(), RecursionError("x" * 1000),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_a_model_raises_is_said(error: Exception) -> None:
    module, before = Raises(error), random_states()
    prediction = predicted(module, SHAPE, **TRAINED)
    assert prediction.label == "calibrated"
    assert f"the step could not run here ({type(error).__name__}" in prediction.how
    assert "\n" not in prediction.how
    assert len(prediction.how) < 200
    assert random_states() == before


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_interrupt_leaves_nothing_behind(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(*(Residual() for _ in range(8)), Raises(KeyboardInterrupt())).eval()
    module[0].up.weight.grad = torch.ones_like(module[0].up.weight)
    before, states = {name: value.clone() for name, value in module.state_dict().items()}, random_states()
    attributes = [sorted(vars(part)) for part in module.modules()]
    with pytest.raises(KeyboardInterrupt):
        predicted(module, SHAPE, most_share=share, **TRAINED)
    assert random_states() == states
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [sorted(vars(part)) for part in module.modules()] == attributes
    assert not any(part.training for part in module.modules())
    assert [name for name, p in module.named_parameters() if p.grad is not None] == ["0.up.weight"]


def test_random_states_are_as_before() -> None:
    module, before = Draws(), random_states()
    assert predicted(module, (4, 6), **TRAINED).label == "rehearsed"
    assert random_states() == before


def test_a_module_without_memory_is_predicted_by_its_operators() -> None:
    prediction = predicted(nn.Linear(3, 2, device="meta"), (4, 3), **TRAINED)
    assert prediction.label == "calibrated"
    assert "meta device" in prediction.how


def test_a_step_that_does_not_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "available_bytes", lambda: 1_000)
    monkeypatch.setattr(rehearse, "subject_of", lambda *_, **__: pytest.fail("a step ran"))
    assert "of memory, 700 B may be taken" in predicted("8-6-4").how


def test_parameters_take_time_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearse, "PARAMETERS_PER_SECOND", 1.0)
    assert predicted("8-6-4").how == "operators alone: its 82 parameters alone take too long to make"
