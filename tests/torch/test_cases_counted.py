"""Every case with hand-derived numbers is counted exactly: parameters by role, products forward and backward, nothing unknown."""

from __future__ import annotations

from typing import Any

import pytest

import nncost
from nncost.report import Report
from tests.torch.cases import ALL, Case, quiet

pytestmark = pytest.mark.usefixtures("without_memory")
CASES = [pytest.param(case, id=case.name) for case in ALL]


def report_of(case: Case, **options: Any) -> tuple[Any, Report]:
    """The case's module and its report, in the mode the module is in."""
    module, inputs = case.build(), case.inputs()
    given = inputs if isinstance(inputs, dict) else nncost.Inputs(tuple(inputs))
    with quiet():
        return module, nncost.count(module, given, mode="train" if module.training else "inference", **options)


@pytest.mark.parametrize("case", CASES)
def test_the_case_is_counted(case: Case) -> None:
    module, report = report_of(case)
    assert report.complete, report.unknown
    assert report.forward.macs == case.forward_macs, case.note
    assert report.parameters.total == case.parameters, case.note
    assert case.weights in (None, report.parameters.weights), case.note
    assert case.biases in (None, report.parameters.biases), case.note
    if case.backward_macs is not None and any(parameter.requires_grad for parameter in module.parameters()):
        _, trained = report_of(case, loss="sum")
        assert trained.complete, trained.unknown
        assert trained.forward.macs == case.forward_macs, case.note
        assert trained.backward.macs == case.backward_macs, case.note
