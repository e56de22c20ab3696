"""A convention in a report: forward and backward, runs, sources that cannot be observed, nothing left behind."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

import nncost
from nncost.counting.conventions import CONVENTIONS, for_every_source

TOOLS = [name for name, convention in CONVENTIONS.items() if convention.tool is not None]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(216, 5))


def test_the_mistake_with_groups_is_reproduced() -> None:
    report = nncost.count(network(), (2, 4, 8, 8), convention="torch", loss="sum", mode="inference")
    assert report.backward.flops == 2 * (report.backward.macs + 2 * 6 * 2 * 9 * 36)
    assert report.step.flops == report.forward.flops + report.backward.flops


@pytest.mark.parametrize("tool", sorted({*TOOLS} - {"torch"}))
def test_backward_is_absent_where_the_tool_has_none(tool: str) -> None:
    report = nncost.count(network(), (2, 4, 8, 8), convention=tool, loss="sum")
    assert "flops" not in report.to_dict()["totals"]["backward"]
    assert "flops" not in report.to_dict()["totals"]["step"]
    assert any("forward pass alone" in note for note in report.notes)


def test_settings_rows_and_runs() -> None:
    one = nncost.count(network(), (2, 4, 8, 8), convention="fvcore")
    assert one.settings["convention"] == "fvcore"
    assert [row.path for row in one.rows] == [row.path for row in nncost.count(network(), (2, 4, 8, 8)).rows]
    run = nncost.count(network(), (2, 4, 8, 8), convention="fvcore", examples=5, epochs=3).run
    assert run is not None
    assert run.totals["forward"].flops == one.forward.flops // 2 * 5 * 3
    twice = nncost.count(network(), (2, 4, 8, 8), convention="torch", loss="sum", accumulate=2)
    assert twice.forward.flops == 2 * nncost.count(network(), (2, 4, 8, 8), convention="torch").forward.flops


@pytest.mark.parametrize("tool", sorted({*TOOLS} - {"torch"}))
def test_a_spec_cannot_be_observed(tool: str) -> None:
    with pytest.raises(nncost.NncostError, match="this source is none") as raised:
        nncost.count("784-16-16-10", convention=tool)
    assert for_every_source() in str(raised.value)


def test_a_tool_counts_no_formulas() -> None:
    with pytest.raises(nncost.NncostError, match="counts numbers, no formulas"):
        nncost.count(nn.Linear(4, 5), (1, 4), batch="B", convention="fvcore")


def test_six_for_each_parameter_and_token() -> None:
    report = nncost.count("784-16-16-10", batch=64, convention="6nd")
    assert report.step.flops == 6 * 13_002 * 64
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50))
    report = nncost.count(model, torch.ones(2, 7, dtype=torch.int64), convention="6nd")
    assert report.forward.flops == 2 * (8 * 50 + 50) * 14
    assert report.backward.flops == 0
    text = nncost.count("7, embedding 50 8, dense 50", convention="6nd", batch=2)
    assert text.forward.flops == report.forward.flops


class Raises(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.relu(x)
        raise RuntimeError("no further")


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_left_behind(tool: str) -> None:
    owners = (torch, functional, torch.Tensor)
    before = [dict(vars(owner)) for owner in owners]
    module = network()
    kept = {name: dict(vars(layer)) for name, layer in module.named_modules()}
    nncost.count(module, (2, 4, 8, 8), convention=tool)
    with pytest.raises(RuntimeError, match="no further"):
        nncost.count(nn.Sequential(Raises()), (2, 3), convention=tool)
    assert [dict(vars(owner)) for owner in owners] == before
    assert {name: dict(vars(layer)) for name, layer in module.named_modules()} == kept
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


def test_other_threads_are_not_counted() -> None:
    class Busy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            other = threading.Thread(target=lambda: functional.relu(torch.ones(100)))
            other.start()
            other.join()
            return functional.relu(x)

    assert nncost.count(Busy(), (2, 3), convention="deepspeed").forward.flops == 6
