"""Published totals of public configurations, with the active parameters of mixtures of experts."""

from __future__ import annotations

import csv
import resource
from pathlib import Path

import pytest

from nncost.frontends.huggingface.experts import active_parameters
from nncost.frontends.huggingface.load import build
from nncost.frontends.model import LoadOptions

HERE = Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "configs.csv").read_text().splitlines()))
CONFIGS = {path.stem: path for path in (HERE / "configs").glob("*.json")}


def elements(name: str) -> tuple[int, int | None]:
    module, *_ = build(str(CONFIGS[name]), LoadOptions())
    return sum(parameter.numel() for parameter in module.parameters()), active_parameters(module, module.config)


def test_every_configuration_has_a_row() -> None:
    assert {row["name"] for row in ROWS} == set(CONFIGS)
    assert sum(row["agree"] == "1" for row in ROWS) >= 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_parameters(row: dict[str, str]) -> None:
    """Tied weights count once; rows where two independent sources agree are the published totals."""
    total, active = elements(row["name"])
    assert total == int(row["params_instantiated"])
    if row["agree"] == "1":
        assert total == int(row["params_total"])
    assert active == (int(row["active_params_computed"]) if row["active_params_computed"] else None)


def test_active_parameters_by_hand() -> None:
    """Mixtral 8x7B: 2 of 8 experts of three matrices 4,096 × 14,336 in each of 32 layers; 6 stay idle."""
    total, active = elements("Mixtral-8x7B-v0.1")
    assert active == total - 32 * 6 * 3 * 4_096 * 14_336
    total, active = elements("gpt-oss-20b")  # 4 of 32; biases of experts are idle too
    assert active == total - 24 * 28 * (3 * 2_880 * 2_880 + 3 * 2_880)


def test_the_largest_takes_no_memory() -> None:
    elements("Llama-3.2-1B")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total, _ = elements("Llama-3.1-405B")
    assert total == 405_853_388_800
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
