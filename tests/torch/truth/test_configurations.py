"""Public transformers from their configurations: as many multiplications as their matrices and attention have."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import nncost
from nncost.errors import SourceError
from tests.torch.truth.configurations import CONFIGS, UNCOUNTED, Configuration, configurations

pytestmark = pytest.mark.usefixtures("without_memory")


@pytest.mark.parametrize("configuration", configurations(), ids=lambda c: c.name)
def test_multiplications(configuration: Configuration) -> None:
    report = nncost.count(configuration.path, dict(configuration.inputs))
    assert report.complete
    assert report.forward.macs == configuration.macs()


@pytest.mark.parametrize("name", UNCOUNTED)
def test_refused(name: str) -> None:
    with pytest.raises(SourceError, match="needs the values"):
        nncost.count(str(CONFIGS / f"{name}.json"), (1, 8))
