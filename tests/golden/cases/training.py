"""Losses, optimizers and the settings of a training, on specs."""

from __future__ import annotations

from nncost.ir.training.losses import LOSSES
from tests.golden.cases.case import Case, spec

ENDINGS = ("3-4-3", "3, dense 4, softmax", "2x3, dense 4, sigmoid")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "lion")
NETWORK = "2x6x6, conv 3 3 pad=1, batchnorm, relu, flatten, dense 4, relu, dense 2"

CASES: tuple[Case, ...] = (
    *(spec(text, batch=2, loss=loss) for text in ENDINGS for loss in LOSSES),
    spec("4x3x3, conv 5 2, softmax", batch=2, loss="cross_entropy"),
    *(spec(NETWORK, batch=2, optimizer=optimizer) for optimizer in OPTIMIZERS),
    spec("784-16-16-10", optimizer="none"),
    spec("5x5, conv_transpose 2 3 pad=1", taps="valid"),
    spec(NETWORK, taps="valid", batch=2),
    spec("2x6x6, conv 2 1, avgpool 3 stride=2 pad=1", taps="valid"),
    spec("2x6x6, conv 3 3x3 pad=same stride=2 groups=1, conv_transpose 2 3 stride=2 pad=1", taps="valid"),
    spec(NETWORK, accumulate=4, batch=2, optimizer="adam"),
    spec("3-4-2", accumulate=3, examples=50, epochs=2, batch=4),
    spec("3-4-4-2", freeze="dense.1"),
    spec("3-4-4-2", freeze=("dense.2", "dense.3.bias"), optimizer="momentum"),
    spec(NETWORK, freeze="conv*", batch=2, optimizer="adam"),
    spec("4, [dense 4, relu]*3, dense 2", freeze="repeat.1.dense.1"),
    spec("784-16-10", examples=1000, epochs=3, batch=64, optimizer="adamw"),
    spec(NETWORK, examples=10, epochs=2, batch=4, loss="cross_entropy"),
    spec("784-16-10", examples="n", batch=32),
    spec(NETWORK, dtype="float16", batch=2, optimizer="adam"),
    spec(NETWORK, dtype="bfloat16", batch=2, loss="cross_entropy"),
    spec("784-16-10", dtype="float64"),
    spec("3, embedding 5 4, attention heads=2, dense 2", dtype="bfloat16", loss="cross_entropy", optimizer="adamw"),
)
