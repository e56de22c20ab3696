"""Which operators of PyTorch are counted: the aim is that a real model runs none that is not."""

from __future__ import annotations

import json

import pytest

from nncost.cli.main import run
from nncost.frontends import registry
from nncost.frontends.operators import COUNTED, DECOMPOSED, FREE, UNKNOWN, Coverage

WITHOUT = {"aten::_nested_tensor_softmax_with_shape", "aten::lstm_mps_backward"}
"""What no rule says: a softmax over nested tensors, Apple's recurrent layers backward."""


@pytest.fixture(scope="module")
def covered() -> Coverage:
    return registry.coverage("torch")


def test_every_plain_operator_is_counted(covered: Coverage) -> None:
    """Forms that write into a given tensor are left to those without."""
    plain = {o.name for o in covered.operators if o.treatment == UNKNOWN and "out" not in o.overload}
    assert {name for name in plain if name.startswith("aten::")} == WITHOUT


@pytest.mark.parametrize(
    ("name", "treatment"),
    [("aten::mm", COUNTED), ("aten::einsum", DECOMPOSED), ("aten::permute", FREE), ("aten::is_nonzero", FREE)],
)
def test_each_kind(covered: Coverage, name: str, treatment: str) -> None:
    assert {o.treatment for o in covered.operators if o.name == name and "out" not in o.overload} == {treatment}


def test_amounts_add_up(covered: Coverage) -> None:
    assert sum(covered.amounts().values()) == len(covered.operators) > 3000
    assert covered.amounts("aten")[COUNTED] > 2000


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["coverage", "torch"]) == 0
    assert "counted by a rule of its own" in capsys.readouterr().out
    assert run(["coverage", "torch", "--unknown"]) == 0
    assert set(capsys.readouterr().out.split()) >= WITHOUT
    assert run(["coverage", "torch", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert sum(whole["totals"].values()) == len(whole["operators"])


def test_another_framework(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["coverage", "caffe"]) == 2
    assert "torch" in capsys.readouterr().err
