"""Every convention beside the tool itself; where they disagree, the reason stands in disagreements.csv."""

from __future__ import annotations

import copy
import csv
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

import nncost
from nncost.counting.conventions import CONVENTIONS
from tests.torch.cases import BY_NAME as CASES
from tests.torch.conventions.models import BY_NAME, SUBJECTS, Inputs
from tests.torch.conventions.tools import TOOLS, Numbers, numbers, quiet

pytestmark = pytest.mark.usefixtures("without_memory")

TABLE = list(csv.DictReader((Path(__file__).parent / "disagreements.csv").read_text(encoding="utf-8").splitlines()))
LISTED = {(row["tool"], row["network"]) for row in TABLE}


@cache
def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    with quiet():
        return (BY_NAME[name] if name in BY_NAME else CASES[name]).build().eval()


def inputs_of(name: str) -> Inputs:
    return BY_NAME[name].inputs() if name in BY_NAME else CASES[name].inputs()


def theirs(tool: str, name: str) -> Numbers:
    """The tool's numbers, on a copy: some tools leave their hooks behind."""
    if find_spec("torch" if tool == "torch" else tool.removesuffix("-aten")) is None:
        pytest.skip(f"{tool} is not installed")
    return numbers(tool, copy.deepcopy(built(name)), inputs_of(name))


def ours(tool: str, name: str, *, backward: bool) -> Numbers:
    given = inputs_of(name)
    inputs = nncost.Inputs((), given) if isinstance(given, dict) else nncost.Inputs(tuple(given))
    with quiet():
        report = nncost.count(built(name), inputs, convention=tool, mode="inference", loss="sum" if backward else None)
    found: Numbers = {"forward": report.forward.flops}
    return found | ({"backward": report.backward.flops} if backward else {})


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("tool", TOOLS)
def test_agrees_with_the_tool(tool: str, name: str) -> None:
    expected = theirs(tool, name)
    found = ours(tool, name, backward="backward" in expected)
    assert (found != expected) == ((tool, name) in LISTED)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['tool']}-{row['network']}")
def test_disagreements_are_as_listed(row: dict[str, str]) -> None:
    expected = theirs(row["tool"], row["network"])["forward"]
    try:
        found = str(ours(row["tool"], row["network"], backward=False)["forward"])
    except nncost.NncostError:
        found = ""
    assert (str(expected), found) == (row["theirs"], row["ours"])
    assert row["theirs"] != row["ours"]
    assert row["reason"]


def test_enough_networks_and_every_tool() -> None:
    assert len(SUBJECTS) >= 15
    assert {name for name, convention in CONVENTIONS.items() if convention.tool is not None} == set(TOOLS)
