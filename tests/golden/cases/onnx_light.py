"""The nine image networks that the onnx package ships."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.golden.cases.case import Case
from tests.golden.cases.onnx_model import light

NAMES = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512",
)  # fmt: skip
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resnet50", {"loss": "cross_entropy", "optimizer": "adam"}),
    ("squeezenet", {"loss": "cross_entropy", "optimizer": "sgd", "batch": 4}),
    ("vgg19", {"loss": "cross_entropy", "optimizer": "momentum", "accumulate": 2}),
    ("bvlc_alexnet", {"loss": "squared_error", "optimizer": "adamw", "examples": 1000, "batch": 64}),
    ("inception_v1", {"loss": "cross_entropy", "optimizer": "sgd", "taps": "valid"}),
    ("zfnet512", {"allocator": "cuda", "batch": 2}),
    ("shufflenet", {"batch": 7}),
)

CASES: tuple[Case, ...] = (
    *(Case(name, partial(light, name)) for name in NAMES),
    *(
        Case(
            " ".join([name, *(f"{key}={value}" for key, value in settings.items())]),
            partial(light, name),
            None,
            settings,
        )
        for name, settings in SETTINGS
    ),
)
