"""Every spec of the documents, forward and in training as ``nncost.count`` takes it by itself."""

from __future__ import annotations

from tests.golden.cases.case import Case, spec

GPT = (
    "128, embedding 50257 768, [residual[layernorm, attention heads=12 causal], "
    "residual[layernorm, dense 3072, gelu, dense 768]]*L, layernorm, dense 50257 bias=no"
)
IMAGES = "3x32x32, conv 16 3x3 pad=1, batchnorm, relu, maxpool 2, flatten, dense 10"
PERSONS = "1x96x96, conv 8 3x3 stride=2 pad=1, [conv 8 3x3 pad=1 groups=8, relu, conv 16 1x1, relu]*2, global_avgpool, dense 2"
DIGITS = "1x8x8, conv 16 3x3, relu, maxpool 2, flatten, dense 10"

CASES: tuple[Case, ...] = (
    spec("784-16-16-10"),
    spec("784-16-16-10", batch=64, optimizer="adam"),
    spec("784-16-16-10", examples=60000, epochs=10, batch=32),
    spec("784-16-16-10", loss="none", optimizer="none"),
    spec("784-16-16-10", bias="hidden", activation="relu"),
    spec("784-16-16-10", bias="none", activation="none"),
    spec("784-h-h-10"),
    spec("784-h-h-10", symbols={"h": 128}),
    spec("784-h*L-10"),
    spec("784-h*L-10", symbols={"h": 16, "L": 2}),
    spec("h0-h1-...-hl"),
    spec("h0-h1-...-hl", symbols={"l": 3, "h0": 784, "h1": 16, "h2": 16, "h3": 10}),
    spec("784-128:relu-64:relu-10:softmax"),
    spec("32x32-30-10"),
    spec("30-30-30"),
    spec("3-2-1"),
    spec("784-10"),
    spec("784-16-10"),
    spec("784-128-10"),
    spec("784-64*6-10"),
    spec("784-64-64-64-64-64-64-10"),
    spec("784-512-512-10", batch=64, optimizer="adam"),
    spec("784-512-512-10", batch=64, optimizer="adam", examples=60000, epochs=10),
    spec("784-2048-2048-10", batch=4096),
    spec("4096-4096-1000", batch=16),
    spec("64-64:relu-10:softmax", batch=32, optimizer="adam"),
    spec("64-32-10"),
    spec(IMAGES),
    spec(IMAGES, batch=8, loss="cross_entropy", optimizer="adamw"),
    spec(IMAGES, mode="inference"),
    spec(GPT),
    spec(GPT, symbols={"L": 12}, loss="cross_entropy", optimizer="adamw"),
    spec(PERSONS),
    spec(PERSONS, loss="none"),
    spec(DIGITS, batch=32, loss="cross_entropy", optimizer="adam"),
    spec("3x8x8, conv 4 3, batchnorm, relu, flatten, dense 10", batch=2),
    spec("1x5x5, adaptive_avgpool 3"),
    spec("1x5x5, adaptive_maxpool 3"),
    spec("2x8x8, conv 4 3x3 pad=1 groups=2", loss="squared_error"),
)
