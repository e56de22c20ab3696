"""Losses and optimizers of PyTorch modules, and the settings of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nncost.ir.training.losses import LOSSES
from tests.golden.cases import models
from tests.golden.cases.case import Case

W = models.WIDTH
NAMES = (
    "sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "lion", "adadelta", "adamax", "nadam", "radam",
    "asgd", "rprop", "adafactor",
)  # fmt: skip


def case(
    name: str, settings: dict[str, Any], source: Callable[[], nn.Module] | None = None, inputs: Any = (3, W)
) -> Case:
    return Case(name, source or network, inputs, {"learn": False, **settings})


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(W, 16), nn.Tanh(), nn.Linear(16, 2))


def vectors() -> nn.Module:
    return nn.Linear(W, 2, bias=False)


def smoothed(output: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(output, torch.zeros(3, dtype=torch.int64), label_smoothing=0.1)


def amsgrad(parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, weight_decay=0.1, amsgrad=True)


CASES: tuple[Case, ...] = (
    *(case(f"optimizer {name}", {"loss": "sum", "optimizer": name}) for name in NAMES),
    case("optimizer class", {"loss": "sum", "optimizer": torch.optim.AdamW}),
    case("optimizer function", {"loss": "sum", "optimizer": amsgrad}),
    case("optimizer muon", {"loss": "sum", "optimizer": "muon"}, vectors),
    *(case(f"loss {name}", {"loss": name}) for name in LOSSES),
    case("loss function", {"loss": smoothed, "optimizer": "sgd"}),
    case("loss own", {"loss": "own", "optimizer": "sgd"}, models.Labelled, {"x": (3, W), "labels": (3,)}),
    case("loss none", {"loss": "none"}),
    case("accumulate", {"loss": "cross_entropy", "optimizer": "adam", "accumulate": 4}),
    case("examples", {"loss": "cross_entropy", "optimizer": "adam", "examples": 100, "epochs": 2}),
    case("batch", {"loss": "cross_entropy", "optimizer": "sgd", "batch": 16}),
    case("derived adam", {"loss": "cross_entropy", "optimizer": "adam", "backward": "derived"}),
    case("derived accumulate", {"loss": "squared_error", "optimizer": "lion", "backward": "derived", "accumulate": 2}),
    case("freeze", {"loss": "sum", "optimizer": "adam", "freeze": "0"}),
    case("float16", {"loss": "cross_entropy", "optimizer": "adamw"}, lambda: network().half()),
)
