"""The architectures: transformers from configurations, timm's and torchvision's by name, all with random weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nncost.frontends.huggingface.load import build
from nncost.frontends.huggingface.transformers import quiet
from nncost.frontends.model import Inputs, LoadOptions, TensorShape
from tests.huggingface.architectures import CASES
from tests.torch.vision import import_torchvision

SEED, LABELS, TOKENS = 0, 5, (3, 30)
"""Tokens are drawn between these: above those that stand for padding, whose gradients PyTorch leaves out."""


@dataclass(frozen=True)
class Subject:
    """An architecture: how it is built, and the shapes it is called with."""

    name: str
    make: Callable[[], tuple[nn.Module, Inputs]] = field(repr=False)
    large: bool = False

    def __str__(self) -> str:
        return self.name

    def build(self) -> tuple[nn.Module, Inputs]:
        """The module with weights of its own, the same in every run."""
        with quiet(), torch.random.fork_rng():
            torch.manual_seed(SEED)
            return self.make()


@contextmanager
def torch_seed() -> Iterator[None]:
    """Random numbers that are the same in every run, and PyTorch's as before afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        yield


def numbers(inputs: Inputs, dtype: torch.dtype = torch.float64) -> Inputs:
    """Random tensors of the shapes."""

    def made(leaf: Any) -> Any:
        if not isinstance(leaf, TensorShape):
            return leaf
        if leaf.dtype is not None and "int" in leaf.dtype:
            return torch.randint(*TOKENS, leaf.shape, dtype=getattr(torch, leaf.dtype))
        return torch.randn(leaf.shape, dtype=dtype)

    with torch_seed():
        return Inputs(tuple(map(made, inputs.args)), {name: made(leaf) for name, leaf in inputs.kwargs.items()})


# ------------------------------------------------------------------- transformers
def _configured(name: str, attention: str | None = None) -> tuple[nn.Module, Inputs]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(CASES[name].values))
        module, inputs, _ = build(str(path), LoadOptions(inputs=dict(CASES[name].inputs)))
    config: Any = module.config
    config.apply_spec_augment, config.layerdrop = False, 0.0  # nothing is drawn
    with torch.device("cpu"):
        return type(module)._from_config(config, attn_implementation=attention), inputs


WIDE = {"mobilenet_v2"}
DECIDED_BY_DATA = {"dbrx"}
"""A module of its own has no step of a fixed size: its loop reads which experts are chosen."""
TRANSFORMERS = [
    Subject(name, lambda name=name: _configured(name), name in WIDE)  # type: ignore[misc]
    for name in CASES if name not in DECIDED_BY_DATA
]  # fmt: skip


# ------------------------------------------------------------------- images
def _image(side: int, batch: int = 2) -> Inputs:
    return Inputs((TensorShape((batch, 3, side, side)),))


def _timm(name: str, side: int, options: Mapping[str, Any]) -> tuple[nn.Module, Inputs]:
    import_torchvision()
    import timm

    with torch.device("cpu"):
        return timm.create_model(name, num_classes=LABELS, **options), _image(side)


def _torchvision(name: str, side: int, options: Mapping[str, Any]) -> tuple[nn.Module, Inputs]:
    library: Any = import_torchvision()
    return library.models.get_model(name, weights=None, num_classes=LABELS, **options), _image(side)


def timm(name: str, side: int, *, large: bool = False, **options: Any) -> Subject:
    """A model of timm; ``large`` ones are counted but not run on numbers."""
    return Subject(name, lambda: _timm(name, side, options), large)


def torchvision(name: str, side: int, *, large: bool = False, **options: Any) -> Subject:
    """A model of torchvision."""
    return Subject(f"torchvision_{name}", lambda: _torchvision(name, side, options), large)


IMAGES = [
    timm("test_resnet", 32),
    timm("test_byobnet", 32),
    timm("test_efficientnet", 32),
    timm("test_efficientnet_gn", 32),
    timm("test_convnext", 32),
    timm("test_mambaout", 32),
    timm("test_nfnet", 32),
    timm("test_vit", 32, img_size=32),
    timm("test_vit3", 32, img_size=32),
    timm("mobilenetv3_small_050", 64, drop_rate=0.0),
    timm("ghostnet_050", 64, drop_rate=0.0),
    timm("regnety_002", 64),
    timm("mobilevit_xxs", 64),
    timm("edgenext_xx_small", 64),
    timm("levit_128s", 224),
    timm("lambda_resnet26t", 64),
    timm("test_maxvit", 160, large=True),
    timm("resnet50", 64, large=True),
    timm("efficientnet_b0", 64, large=True),
    timm("densenet121", 64, large=True),
    timm("swin_tiny_patch4_window7_224", 224, large=True, drop_path_rate=0.0),
    timm("hrnet_w18_small", 64, large=True),
    timm("skresnet18", 64, large=True),
    timm("volo_d1_224", 224, large=True),
    torchvision("shufflenet_v2_x0_5", 64),
    torchvision("squeezenet1_1", 64),
    torchvision("googlenet", 64, large=True, aux_logits=False, init_weights=False),
    torchvision("mnasnet0_5", 64, large=True),
]
SUBJECTS = [*TRANSFORMERS, *IMAGES]
