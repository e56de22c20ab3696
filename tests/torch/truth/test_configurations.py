"""Public transformers from their configurations: as many multiplications as their matrices and attention have."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import nncost
from tests.torch.truth.configurations import Configuration, configurations

pytestmark = pytest.mark.usefixtures("without_memory")


@pytest.mark.parametrize("configuration", configurations(), ids=lambda c: c.name)
def test_multiplications(configuration: Configuration) -> None:
    report = nncost.count(configuration.path, dict(configuration.inputs))
    assert report.complete
    assert report.forward.macs == configuration.macs()
