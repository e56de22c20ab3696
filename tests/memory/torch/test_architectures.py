"""Networks as their libraries build them: the allocator's peak to the byte."""

from __future__ import annotations

import pytest
import torch

from tests.memory.torch.truth import check_step
from tests.torch.vision import import_torchvision


@pytest.mark.parametrize(("name", "optimizer"), [("resnet18", "adam"), ("mobilenet_v2", "sgd")])
def test_torchvision(name: str, optimizer: str) -> None:
    module = getattr(import_torchvision().models, name)()
    report = check_step(module, (torch.ones(2, 3, 64, 64),), "cross_entropy", optimizer)
    assert report.memory.step_peak_at in dict(module.named_modules())


def test_timm() -> None:
    import_torchvision()
    timm = pytest.importorskip("timm")
    check_step(
        timm.create_model("vit_tiny_patch16_224", depth=4), (torch.ones(1, 3, 224, 224),), "cross_entropy", "adamw"
    )


def test_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=3, n_embd=96, n_head=4, vocab_size=1000, bos_token_id=0, eos_token_id=0, use_cache=False
    )
    ids = torch.zeros(2, 32, dtype=torch.int64)
    check_step(transformers.GPT2LMHeadModel(config), {"input_ids": ids}, "cross_entropy", "momentum")
