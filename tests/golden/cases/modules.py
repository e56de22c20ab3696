"""PyTorch modules, forward and in training. What operators take inside differs by machine, so it is not learned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import nncost
from tests.golden.cases import models
from tests.golden.cases.case import ROOT, Case

W = models.WIDTH
ROWS = (3, W)
SEQUENCE = (2, 5, W)
IMAGE = (2, 4, 8, 8)
TRAINED: dict[str, Any] = {"loss": "sum", "optimizer": "sgd"}
FORWARD: dict[str, Any] = {}


def case(name: str, source: str | Callable[[], Any], inputs: Any, settings: dict[str, Any] = TRAINED) -> Case:
    return Case(name, source, inputs, {"learn": False, **settings})


def stack(*layers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*(layer() for layer in layers))


@cache
def own_operator(name: str) -> Callable[[Tensor], Tensor]:
    """A new operator of PyTorch's, without a gradient."""

    def clone(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    operator = torch.library.custom_op(f"golden::{name}", clone, mutates_args=())
    operator.register_fake(torch.empty_like)
    return operator


class Owned(nn.Module):
    """A layer and an operator of one's own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.dense, self.operator = nn.Linear(W, W), own_operator(name)

    def forward(self, x: Tensor) -> Tensor:
        return self.operator(self.dense(x))


def known_operator() -> nn.Module:
    """An operator that nncost was told about."""
    model = Owned("known")

    @nncost.lowers("golden::known")
    def _known(call: Any) -> Any:
        return call.builder.map("mul", call["x"], call["x"])

    return model


def fixed_router() -> nn.Module:
    """Experts that are chosen by the first numbers of a row."""
    model = models.Routed()
    nn.init.eye_(model.router.weight)
    nn.init.zeros_(model.router.bias)
    return model


def shapes_only() -> nn.Module:
    with torch.device("meta"):
        return models.Stack(2)


CONVOLUTIONS = (
    case("Conv1d", stack(lambda: nn.Conv1d(4, 6, 3, padding=1, groups=2), nn.ReLU), (2, 4, 9)),
    case("Conv2d", stack(lambda: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=(1, 2)), nn.SiLU), IMAGE),
    case("Conv2d, circular", stack(lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", bias=False)), IMAGE),
    case("Conv3d", stack(lambda: nn.Conv3d(2, 3, 2), nn.Tanh), (1, 2, 4, 4, 4)),
    case("ConvTranspose2d", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)), IMAGE),
    case("depthwise and pointwise", stack(lambda: nn.Conv2d(4, 4, 3, groups=4), lambda: nn.Conv2d(4, 8, 1), nn.ReLU6), IMAGE),
    case("pooling", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.MaxPool2d(3, 2, 1), lambda: nn.AvgPool2d(2), lambda: nn.AdaptiveAvgPool2d(1)), IMAGE),
    case("adaptive max pooling", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.AdaptiveMaxPool2d((3, 2))), IMAGE),
    case("upsampling", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.Upsample(scale_factor=2, mode="bilinear")), IMAGE),
    case("pixel shuffle", stack(lambda: nn.Conv2d(4, 8, 1), lambda: nn.PixelShuffle(2), nn.Flatten), IMAGE),
    case("Classifier", models.Classifier, (2, 3, 32, 32), {"loss": "cross_entropy", "optimizer": "adamw"}),
    case("Classifier, inference", models.Classifier, (2, 3, 32, 32), {"mode": "inference"}),
    case("Classifier, valid taps", models.Classifier, (2, 3, 32, 32), {"taps": "valid", **TRAINED}),
)  # fmt: skip
NORMS = (
    case("BatchNorm2d", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.BatchNorm2d(4)), IMAGE),
    case("GroupNorm", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.GroupNorm(2, 4)), IMAGE),
    case("InstanceNorm2d", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.InstanceNorm2d(4, affine=True)), IMAGE),
    case("LayerNorm", stack(lambda: nn.Linear(W, W), lambda: nn.LayerNorm(W)), SEQUENCE),
    case("RMSNorm", stack(lambda: nn.Linear(W, W), lambda: nn.RMSNorm(W)), SEQUENCE),
    case("LocalResponseNorm", stack(lambda: nn.Conv2d(4, 4, 1), lambda: nn.LocalResponseNorm(3)), IMAGE),
    case("weight norm", lambda: nn.utils.parametrizations.weight_norm(nn.Linear(W, 4)), ROWS),
    case("Dropout", stack(lambda: nn.Linear(W, W), lambda: nn.Dropout(0.3)), ROWS),
)
SEQUENCES = (
    case("MultiheadAttention", models.Attention, SEQUENCE),
    case("MultiheadAttention, inference", models.Attention, SEQUENCE, {"mode": "inference"}),
    case("causal scaled dot product", models.Language, {"ids": (2, 5)}, {"loss": "cross_entropy", "optimizer": "adamw"}),
    case("attention written out", models.WrittenOut, SEQUENCE),
    case("TransformerEncoder", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(W, 2, 16, batch_first=True), 3), SEQUENCE),
    case("TransformerDecoderLayer", lambda: nn.TransformerDecoderLayer(W, 2, 16, batch_first=True), (SEQUENCE, SEQUENCE)),
    case("LSTM and GRU", models.Recurrent, {"tokens": (6, 2)}, {"loss": "cross_entropy", "optimizer": "adam"}),
    case("RNN", lambda: nn.RNN(W, 4, nonlinearity="relu"), SEQUENCE),
    case("LSTM without biases", lambda: nn.LSTM(W, 6, bias=False), SEQUENCE),
    case("GRUCell in a loop", models.Scanned, (4, 2, 3)),
    case("EmbeddingBag", lambda: nn.EmbeddingBag(9, 4, mode="mean"), "3x5:int64"),
)  # fmt: skip
STRUCTURES = (
    case("Stack", lambda: models.Stack(4), (4, W)),
    case("Stack, no reuse", lambda: models.Stack(4), (4, W), {"reuse": False, **TRAINED}),
    case("Stack, deep", lambda: models.Stack(24), (4, W), {"loss": "sum", "optimizer": "adam"}),
    case("Stack, computed again", lambda: models.Stack(2, again=True), (4, W)),
    case("Stack, frozen", lambda: models.Stack(3), (4, W), {"freeze": ("stem", "blocks.1*"), **TRAINED}),
    case("Stack, without memory", shapes_only, (4, W)),
    case("Stack, bfloat16", lambda: models.Stack(2).bfloat16(), (4, W)),
    case("adapters", lambda: nn.Sequential(models.Adapted(), models.Adapted()), (1, 64), {"loss": "sum", "optimizer": "adamw"}),
    case("one layer twice", models.Twice, ROWS),
    case("two inputs", models.Several, lambda: nncost.Inputs(((2, 3, 8, 8),), {"vector": (2, 10), "scale": 0.5})),
    case("experts", models.Routed, ROWS),
    case("experts, values", fixed_router, lambda: torch.linspace(0, 20, 3 * W).sin().reshape(ROWS), FORWARD),
    case("branch by values", models.Branching, lambda: torch.ones(ROWS)),
    case("own function", models.OwnFunction, ROWS),
    case("autocast", models.Autocast, ROWS),
    case("half", lambda: nn.Sequential(nn.Linear(W, 4), nn.Softmax(-1)).half(), ROWS),
    case("complex", models.Spectral, (2, 3, 16)),
    case("complex dense", lambda: nn.Linear(W, 4, dtype=torch.complex64), "3x8:complex64", FORWARD),
    case("fake quantization", models.Rounded, ROWS),
    case("linear algebra", models.Solved, (4, 3), FORWARD),
    case("compiled", lambda: torch.compile(nn.Sequential(nn.Linear(W, 4), nn.ReLU()), backend="eager"), ROWS),
)  # fmt: skip
DERIVED = (
    case("derived: Stack", lambda: models.Stack(3), (4, W), {"backward": "derived", "optimizer": "adam", "loss": "sum"}),
    case("derived: Classifier", models.Classifier, (2, 3, 32, 32), {"backward": "derived", "loss": "cross_entropy", "optimizer": "sgd"}),
    case("derived: attention", models.Language, {"ids": (2, 5)}, {"backward": "derived", "loss": "cross_entropy", "optimizer": "sgd"}),
    case("derived: LSTM and GRU", models.Recurrent, {"tokens": (6, 2)}, {"backward": "derived", **TRAINED}),
    case("derived: complex", models.Spectral, (2, 3, 16), {"backward": "derived", **TRAINED}),
    case("derived: own function", models.OwnFunction, ROWS, {"backward": "derived", **TRAINED}),
)  # fmt: skip
OPERATORS = (
    case("unknown operator", lambda: Owned("unknown"), ROWS, FORWARD),
    case("known operator", known_operator, ROWS, FORWARD),
    case("unknown operator, derived", lambda: Owned("unknown"), ROWS, {"backward": "derived", **TRAINED}),
)
DOCUMENTED = (
    case("examples/lenet.py", f"{ROOT}/examples/lenet.py:build", "1x1x28x28", {"loss": "cross_entropy", "optimizer": "adamw"}),
    case("images", stack(lambda: nn.Conv2d(3, 16, 3, padding=1), nn.ReLU, nn.Flatten, lambda: nn.Linear(16384, 10)), (1, 3, 32, 32),
         {"loss": "cross_entropy", "optimizer": "adamw"}),
)  # fmt: skip

CASES: tuple[Case, ...] = (*CONVOLUTIONS, *NORMS, *SEQUENCES, *STRUCTURES, *DERIVED, *OPERATORS, *DOCUMENTED)
