"""Measurements: what they hold, that memory is met to the byte, and that nothing of the caller's changes."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

import nncost
from nncost.cli.main import run
from nncost.errors import SourceError
from nncost.timing.devices.profile_store import save_profile
from tests.timing.machines import made_up


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncost.timing.measure.measure.MOST", 7)


@pytest.fixture
def calibrated(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    save_profile(made_up())


@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("source", ["784-16-16-10", "1x8x8, conv 4 3x3, relu, maxpool 2, flatten, dense 3"])
def test_a_spec(source: str, optimizer: str) -> None:
    found = nncost.measure(source, batch=4, optimizer=optimizer).to_dict()
    assert found["schema"] == "nncost.measurement/1"
    for kind, names in (
        ("seconds", {"forward", "backward", "update", "step"}),
        ("memory", {"step_allocated", "step_peak"}),
    ):
        for part in ("predicted", "measured", "ratio"):
            assert set(found[part][kind]) == names
    assert found["ratio"]["memory"] == {"step_allocated": 1.0, "step_peak": 1.0}
    seconds = found["measured"]["seconds"]
    assert found["ratio"]["seconds"]["step"] == found["predicted"]["seconds"]["step"] / seconds["step"]
    for phase in ("forward", "backward"):
        assert sum(row["measured"] for row in found["rows"] if row["phase"] == phase) == pytest.approx(seconds[phase])
    layers = {row.path for row in nncost.count(source).rows if row.phase == "forward" and row.counts}
    assert {row["path"] for row in found["rows"] if row["phase"] == "forward"} >= layers - {"loss"}


def test_a_module_is_not_changed() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.BatchNorm1d(5), nn.Linear(5, 3)).eval()
    x = torch.randn(4, 6)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    drawn = torch.random.get_rng_state()
    found = nncost.measure(module, x, loss="cross_entropy", optimizer="adamw")
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not module.training
    assert {row.path for row in found.rows} >= {"0", "2", "3"}


def test_without_a_calibration_the_times_are_measured_all_the_same(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    found = nncost.measure("8-6-4", batch=2)
    assert found.predicted["seconds"] == {}
    assert found.ratio["seconds"] == {}
    assert found.measured["seconds"]["step"] > 0
    assert str(found).endswith("\nNext: nncost calibrate")


def test_a_forward_pass_alone() -> None:
    found = nncost.measure(nn.Linear(4, 3), (2, 4))
    assert found.measured["seconds"]["backward"] == 0.0
    assert found.measured["memory"]["step_allocated"] == 2 * 3 * 4


def test_the_users_own_loss_and_optimizer() -> None:
    module = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    found = nncost.measure(module, (2, 4), loss=lambda output: output.abs().mean(), optimizer=optimizer)
    assert found.measured["seconds"]["update"] > 0
    assert not optimizer.state


def test_a_module_without_memory_is_refused() -> None:
    with pytest.raises(SourceError, match="meta device"):
        nncost.measure(nn.Linear(3, 2, device="meta"), (1, 3))


def test_a_loss_of_probabilities_is_refused_for_other_numbers() -> None:
    with pytest.raises(nncost.NncostError, match="takes probabilities") as raised:
        nncost.measure(nn.Linear(4, 3), (64, 4), loss="binary_cross_entropy")
    assert "binary_cross_entropy_with_logits" in str(raised.value)
    nncost.measure(nn.Linear(4, 3), (64, 4), loss="binary_cross_entropy_with_logits")


def test_a_step_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncost.timing.measure.measure.available_bytes", lambda: 100_000)
    with pytest.raises(SourceError, match=r"needs 107 kB of memory; 100 kB are free"):
        nncost.measure("784-16-16-10")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", "8-6-4", "--batch", "2"]) == 0
    output = capsys.readouterr()
    assert "predicted" in output.out
    assert max(map(len, output.out.splitlines())) <= 80
    assert run(["measure", "8-6-4", "--batch", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["operations"]["counted_macs"] == 2 * (48 + 24) + 2 * (48 + 24 * 2)


@pytest.mark.parametrize(
    "arguments", [["784-h-10"], ["no-such.onnx"], ["8-6-4", "--optimizer", "adamm"], ["8-6-4", "--rows", "0"]]
)
def test_what_cannot_run_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


class Draws(nn.Module):
    """Draws from every source of random numbers there is, and perhaps raises after some calls."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__()
        self.layer, self.last, self.calls = nn.Linear(6, 6), last, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.last:
            raise ZeroDivisionError
        return self.layer(x) * random.random() * float(np.random.rand()) + torch.randn(6)  # noqa: NPY002


def random_states() -> list[bytes]:
    """Python's, NumPy's and PyTorch's."""
    numpy = str(np.random.get_state(legacy=False))  # noqa: NPY002
    return [str(random.getstate()).encode(), numpy.encode(), bytes(torch.random.get_rng_state().numpy())]


@pytest.mark.parametrize("given", [(4, 6), torch.ones(4, 6)], ids=["shape", "tensor"])
@pytest.mark.parametrize("settings", [{}, {"loss": "sum", "optimizer": "sgd"}], ids=["forward", "training"])
def test_random_states_are_as_before(given: object, settings: dict[str, str]) -> None:
    module, before = Draws(), random_states()
    nncost.measure(module, given, **settings)
    assert random_states() == before
    nncost.measure("6-4-2", loss="cross_entropy")
    assert random_states() == before


@pytest.mark.parametrize("last", [1, 6])
def test_random_states_are_as_before_when_the_model_raises(last: int) -> None:
    module, before = Draws(last), random_states()
    with pytest.raises(ZeroDivisionError):
        nncost.measure(module, (4, 6), loss="sum")
    assert random_states() == before


class Remembers(nn.Module):
    """Is given an object that it writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor, seen: Seen) -> torch.Tensor:
        seen.calls += 1
        return self.layer(x)


class Seen:
    """Of the user's own."""

    calls = 0


def test_objects_among_the_inputs_are_not_changed() -> None:
    seen = Seen()
    nncost.measure(Remembers(), (torch.ones(4, 6), seen))
    assert seen.calls == 0
