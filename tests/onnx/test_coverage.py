"""How operators of ONNX are treated: what is said of each is what its examples do."""

from __future__ import annotations

import csv
import json
from importlib.metadata import version
from pathlib import Path

import onnx
import pytest

from nncost.cli.main import run
from nncost.frontends import registry
from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx.treatments import BOUNDED as BOUNDED_ONES
from nncost.frontends.onnx.treatments import FREE as FREE_ONES
from nncost.frontends.onnx.treatments import REFUSED, WITH_BODIES
from nncost.frontends.operators import BOUNDED, COUNTED, DECOMPOSED, FREE, UNKNOWN, Coverage, Operator
from tests.onnx.witnesses import Witness, witnesses

PEERS = Path(__file__).resolve().parents[2] / "docs" / "onnx-peers.csv"
NONE_SHOWN = {"com.microsoft.Pad": "its example pads with what is there; the standard's pads with other numbers, too"}
"""Counted operators of whose examples none has arithmetic."""


@pytest.fixture(scope="module")
def covered() -> Coverage:
    return registry.coverage("onnx")


def test_every_operator_of_the_package_is_there(covered: Coverage) -> None:
    there = {(o.domain, o.name.rpartition(".")[2]) for o in covered.operators}
    assert {(schema.domain or "ai.onnx", schema.name) for schema in onnx.defs.get_all_schemas()} <= there
    assert set(ONNX.ours) <= {o.name for o in covered.operators}
    assert sum(covered.amounts().values()) == len(covered.operators) == len(there)


def test_unknown_ones_are_those_with_a_reason(covered: Coverage) -> None:
    assert {o.name: o.reason for o in covered.operators if o.treatment == UNKNOWN} == dict(REFUSED)
    assert {o.name for o in covered.operators} - set(REFUSED) >= FREE_ONES | BOUNDED_ONES | WITH_BODIES
    assert not any(o.reason or o.counted_since is None for o in covered.operators if o.treatment != UNKNOWN)


def test_every_other_one_is_counted_from_its_first_opset(covered: Coverage) -> None:
    assert not [o.name for o in covered.operators if o.treatment != UNKNOWN and o.counted_since != o.since]


def test_treatments_are_what_examples_do(covered: Coverage) -> None:
    """A free operator counts no arithmetic, a counted one some, of a bounded one a note says the bound."""
    shown = witnesses()
    wrong = [o.name for o in covered.operators if o.name in shown and not _fits(o, shown[o.name])]
    assert wrong == list(NONE_SHOWN)


def _fits(operator: Operator, shown: Witness) -> bool:
    if operator.treatment == COUNTED:
        return bool(shown.quantities)
    if operator.treatment == BOUNDED:
        return bool(shown.notes)
    return not shown.quantities and (operator.treatment == UNKNOWN or not shown.nodes or shown.unknown < shown.nodes)


@pytest.mark.parametrize(
    ("name", "treatment"),
    [("Conv", COUNTED), ("HannWindow", DECOMPOSED), ("Scan", DECOMPOSED), ("Transpose", FREE), ("NonZero", BOUNDED)],
)
def test_each_kind(covered: Coverage, name: str, treatment: str) -> None:
    assert [o.treatment for o in covered.operators if o.name == name] == [treatment]


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["coverage", "onnx"]) == 0
    assert "data decide" in capsys.readouterr().out
    assert run(["coverage", "onnx", "--unknown"]) == 0
    assert set(capsys.readouterr().out.split()) == set(REFUSED)
    assert run(["coverage", "onnx", "--unknown", "--markdown"]) == 0
    assert "it works on text" in capsys.readouterr().out
    assert run(["coverage", "onnx", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert sum(whole["totals"].values()) == len(whole["operators"])
    assert {"name": "ai.onnx.ml.CastMap", "domain": "ai.onnx.ml"}.items() <= _only(whole, "ai.onnx.ml.CastMap").items()


def _only(whole: dict[str, list[dict[str, str]]], name: str) -> dict[str, str]:
    (operator,) = (operator for operator in whole["operators"] if operator["name"] == name)
    return operator


def test_what_peers_list_is_what_their_packages_have() -> None:
    """The column of onnx-tool in docs/onnx-peers.csv, where that version is installed."""
    node = pytest.importorskip("onnx_tool.node")
    lines = PEERS.read_text(encoding="utf-8").splitlines()
    if not any(line.startswith(f"# onnx-tool {version('onnx-tool')}:") for line in lines):
        pytest.skip("another version is installed")
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    classes = node.NODE_REGISTRY._obj_map.items()
    inherit = {name: each.profile is node.Node.profile for name, each in classes if name.endswith("Node")}
    listed = {f"{row['operator']}Node": row["onnx-tool"] == "zero" for row in rows if row["onnx-tool"]}
    assert listed == inherit
