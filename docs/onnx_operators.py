"""The rows of docs/coverage-onnx.md: how each operator is treated, its official cases, and which peers list it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from nncost.frontends.operators import Coverage, Operator

FOLDER = Path(__file__).parent
PEERS = ("onnx-tool", "onnxsim", "TensorRT")
TITLES = ("operator", "since", "treatment", "cases", *PEERS)
OWN_DOMAIN = "ai.onnx"


def rows(covered: Coverage) -> Iterator[tuple[str, ...]]:
    """A row for each operator, those of the standard's own domain first."""
    cases, peers = _by_operator("onnx-cases.csv"), _by_operator("onnx-peers.csv")
    for operator in covered.operators:
        passed = cases.get(operator.name)
        listed = peers.get(operator.name.rpartition(".")[2], {})
        yield (
            f"`{operator.name}`", str(operator.since), _treatment(operator),
            f"{passed['passed']} / {passed['cases']}" if passed else "",
            *(_said(listed, peer, operator) for peer in PEERS),
        )  # fmt: skip


def totals() -> tuple[int, int]:
    """How many of the official cases pass, and how many there are."""
    found = _by_operator("onnx-cases.csv").values()
    return sum(int(row["passed"]) for row in found), sum(int(row["cases"]) for row in found)


def _treatment(operator: Operator) -> str:
    return f"{operator.treatment}: {operator.reason}" if operator.reason else operator.treatment


def _said(listed: Mapping[str, str], peer: str, operator: Operator) -> str:
    """A peer's entry; TensorRT's list is one of the standard's own domain, the others go by the name alone."""
    return "" if peer == "TensorRT" and operator.domain != OWN_DOMAIN else listed.get(peer, "")


def _by_operator(name: str) -> dict[str, dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return {row["operator"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}
