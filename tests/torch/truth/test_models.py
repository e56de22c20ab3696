"""A model of every family of timm and torchvision: parameters, buffers and multiplications as published or measured."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if not all(map(find_spec, ("torch", "timm", "torchvision"))):
    pytest.skip("timm and torchvision are not installed", allow_module_level=True)

from tests.torch.truth.differences import DIFFERENT, NOT_COMPARED
from tests.torch.truth.models import Row, build, compared, timm_rows, torchvision_rows

pytestmark = pytest.mark.usefixtures("without_memory")

ROWS = [*timm_rows(), *torchvision_rows()]
SEEN_BY_TORCH = {
    "convnext", "davit", "efficientnet", "mobilevit", "mlp_mixer", "pvt_v2", "regnet", "resnet", "swin_transformer",
    "vision_transformer",
}  # fmt: skip
"""Families that are also counted by the convention ``torch``, forward."""


def sample() -> dict[str, Row]:
    """The smallest of each family."""
    found: dict[str, Row] = {}
    for row in ROWS:
        key = f"{row.library} {row.family}"
        if row.shape and (key not in found or row.parameters < found[key].parameters):
            found[key] = row
    return found


@pytest.mark.parametrize("row", sample().values(), ids=lambda row: row.name)
def test_family(row: Row) -> None:
    found = compared(row, build(row), as_torch=row.library == "timm" and row.family in SEEN_BY_TORCH)
    assert [c for c in found if not c.agrees and (row.name, c.quantity) not in DIFFERENT] == []


def test_every_row_has_a_count_or_a_reason() -> None:
    names = {row.name for row in ROWS}
    assert {row.name for row in ROWS if not row.shape} == set(NOT_COMPARED)
    assert {name for name, _ in DIFFERENT} <= names
    assert len(sample()) >= 100
