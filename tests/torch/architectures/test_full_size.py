"""Training steps of four networks at full size, as PyTorch differentiates them and as nncost does."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

if not all(map(find_spec, ("torch", "transformers", "timm", "torchvision"))):
    pytest.skip("transformers, timm and torchvision are not installed", allow_module_level=True)

import torch
from torch import nn

import nncost
from nncost.frontends.huggingface.transformers import quiet
from tests.torch.architectures.test_counts import contractions
from tests.torch.vision import import_torchvision


def image(name: str) -> nn.Module:
    library: Any = import_torchvision()
    return library.models.get_model(name, weights=None)  # type: ignore[no-any-return]


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config())


def llama_2_7b() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(max_position_embeddings=4_096))


PICTURE, TEXT = (1, 3, 224, 224), {"input_ids": "1x1024:int64", "use_cache": False}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any, int]] = {
    "ResNet-50": (lambda: image("resnet50"), PICTURE, 4_089_184_256),
    "MobileNetV3": (lambda: image("mobilenet_v3_large"), PICTURE, 216_589_760),
    "GPT-2": (gpt2, TEXT, 1_024 * (12 * 12 * 768**2 + 12 * 2 * 1_024 * 768 + 768 * 50_257)),
    "Llama 2 7B": (
        llama_2_7b,
        TEXT,
        1_024 * (32 * (4 * 4_096**2 + 2 * 1_024 * 4_096 + 3 * 4_096 * 11_008) + 4_096 * 32_000),
    ),
}
"""Each with its inputs and its forward multiplications."""


@pytest.mark.parametrize("name", NETWORKS)
def test_training_step(name: str) -> None:
    build, inputs, macs = NETWORKS[name]
    with quiet():
        with torch.device("meta"):
            module = build()
        traced = nncost.count(module, inputs, loss="cross_entropy", optimizer="adamw")
        derived = nncost.count(module, inputs, loss="cross_entropy", optimizer="adamw", backward="derived")
    assert traced.complete
    assert derived.complete
    assert traced.forward.macs == derived.forward.macs == macs
    for phase in ("forward", "loss", "backward"):
        assert contractions(traced, phase) == contractions(derived, phase)
    assert traced.backward.derivatives == derived.backward.derivatives == traced.parameters.trainable
