"""Memory beyond the exact peaks that every report has: blocks of an allocator, the largest batch."""

from __future__ import annotations

from torch import nn

from tests.golden.cases.case import Case, spec
from tests.golden.cases.models import Classifier

IMAGES = "3x16x16, conv 8 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10"


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


CASES: tuple[Case, ...] = (
    spec("784-16-16-10", batch=64, optimizer="adam", fits="8GiB"),
    spec("784-512-512-10", optimizer="adam", fits="8GiB"),
    spec("784-512-10", optimizer="adam", fits="8GiB"),
    spec("784-512-10", batch=1024, optimizer="adam", allocator="cuda"),
    spec("784-512-10", batch=1024, optimizer="sgd", allocator="cuda", fits="1GB"),
    spec("784-64*6-10", batch=32, allocator="cuda"),
    spec(IMAGES, batch=16, loss="cross_entropy", optimizer="adam", allocator="cuda"),
    spec(IMAGES, fits="100MiB", loss="cross_entropy"),
    spec("3x4, [residual[lstm 4]]*3", batch=2, accumulate=2, allocator="cuda"),
    spec("784-16-10", fits="1kB"),
    spec("784-512-10", fits="1GiB", loss="none", optimizer="none", dtype="bfloat16"),
    Case("torch, blocks of CUDA", _mlp, (32, 64),
         {"loss": "cross_entropy", "optimizer": "adam", "allocator": "cuda", "learn": False}),
    Case("torch, largest batch", _mlp, (1, 64), {"loss": "sum", "optimizer": "sgd", "fits": "10MiB", "learn": False}),
    Case("torch, what operators take is learned", _mlp, (32, 64), {"loss": "squared_error", "optimizer": "adam", "learn": True}),
    Case("torch, derived", Classifier, (2, 3, 32, 32),
         {"loss": "cross_entropy", "optimizer": "adam", "backward": "derived", "allocator": "cuda", "learn": False}),
)  # fmt: skip
