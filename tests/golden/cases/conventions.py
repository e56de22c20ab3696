"""Every convention of what a flop is, on specs and files where it applies and on modules."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from tests.golden.cases import models
from tests.golden.cases.case import Case, spec
from tests.golden.cases.onnx_model import light

ANYWHERE = ("nncost", "torch", "6nd")
ALL = ("nncost", "torch", "fvcore", "ptflops", "ptflops-aten", "thop", "torchinfo", "calflops", "deepspeed", "6nd")
IMAGES = "3x16x16, conv 8 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10"
TEXT = "7, embedding 50 8, attention heads=2 causal, dense 50"


def grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 5))


def encoder() -> nn.Module:
    return nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3))


def case(name: str, source: Any, inputs: Any, convention: str, **settings: Any) -> Case:
    return Case(f"{name}, {convention}", source, inputs, {"convention": convention, "learn": False, **settings})


CASES: tuple[Case, ...] = (
    *(spec(text, convention=name, batch=4) for text in ("784-16-16-10", IMAGES, TEXT) for name in ANYWHERE),
    *(Case(f"resnet50, {name}", partial(light, "resnet50"), None, {"convention": name}) for name in ("torch", "6nd")),
    *(case("convolutions", grouped, (2, 4, 8, 8), name) for name in ALL),
    *(case("encoder", encoder, (2, 5, 8), name) for name in ALL),
    *(case("recurrent", lambda: nn.LSTM(8, 6), (5, 2, 8), name) for name in ALL),
    case("classifier in training", models.Classifier, (2, 3, 32, 32), "torch", loss="sum", optimizer="sgd"),
    case("classifier in training", models.Classifier, (2, 3, 32, 32), "fvcore", loss="sum", examples=5, epochs=3),
)
