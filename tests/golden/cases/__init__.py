"""The cases of each group, by the group's name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.golden.cases import (
    checkpoints,
    composites,
    conventions,
    huggingface,
    memory,
    modules,
    onnx_light,
    onnx_operators,
    specs,
    symbols,
    torch_training,
    training,
)
from tests.golden.cases.case import Case

GROUPS: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "specs": specs.CASES,
        "composites": composites.CASES,
        "training": training.CASES,
        "symbols": symbols.CASES,
        "memory": memory.CASES,
        "conventions": conventions.CASES,
        "onnx_light": onnx_light.CASES,
        "onnx_operators": onnx_operators.CASES,
        "modules": modules.CASES,
        "torch_training": torch_training.CASES,
        "huggingface": huggingface.CASES,
        "checkpoints": checkpoints.CASES,
    }
)
