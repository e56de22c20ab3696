"""``python -m tests.onnx.case_table``: write docs/onnx-cases.csv, how many of ONNX's own cases of each operator pass."""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from nncost.frontends.onnx.lowering import full_name
from tests.onnx.official import PASSED, Outcome, node_cases, outcome

FILE = Path(__file__).resolve().parents[2] / "docs" / "onnx-cases.csv"


def operators(cases: Iterable[Any]) -> dict[str, str]:
    """The operator of each case by the case's name: that of its one node, or of the case whose expansion it is."""
    nodes = {case.name: list(case.model.graph.node) for case in cases}
    own = {name: full_name(each[0].domain, each[0].op_type) for name, each in nodes.items() if len(each) == 1}
    return {name: own[name if name in own else re.sub(r"_expanded.*", "", name)] for name in nodes}


def outcomes(cases: Iterable[Any]) -> dict[str, Outcome]:
    """What comes of each case, by its name."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: outcome(case, Path(folder) / "case.onnx") for case in cases}


def table(names: Mapping[str, str], found: Mapping[str, Outcome]) -> str:
    """The file's text: a row for each operator."""
    by_operator: dict[str, Counter[bool]] = defaultdict(Counter)
    for case, result in found.items():
        by_operator[names[case]][result.kind == PASSED] += 1
    head = f"# onnx {onnx.__version__}: written by python -m tests.onnx.case_table\noperator,passed,cases\n"
    return head + "".join(f"{name},{each[True]},{each.total()}\n" for name, each in sorted(by_operator.items()))


if __name__ == "__main__":
    all_cases = list(node_cases())
    FILE.write_text(table(operators(all_cases), outcomes(all_cases)), encoding="utf-8")
