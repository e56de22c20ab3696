"""Seven families of networks, four optimizers, batches of one and more: the allocator's peak to the byte."""

from __future__ import annotations

import pytest

import nncost
from tests.memory.torch.networks import FAMILIES, inputs_for
from tests.memory.torch.truth import OPTIMIZERS, check_step, inference_of


@pytest.mark.parametrize("batch", [1, 6])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_step(family: str, optimizer: str, batch: int) -> None:
    module = FAMILIES[family][0]()
    report = check_step(module, inputs_for(family, batch), "cross_entropy", optimizer)
    names = {name for name, _ in module.named_modules()} | {"loss"}
    assert report.memory.step_peak_at in names


@pytest.mark.parametrize("family", FAMILIES)
def test_inference(family: str) -> None:
    module, inputs = FAMILIES[family][0](), inputs_for(family, 3)
    memory = nncost.count(module, inputs).memory
    assert memory.notes == ()
    assert memory.forward_allocated == inference_of(module, inputs)
