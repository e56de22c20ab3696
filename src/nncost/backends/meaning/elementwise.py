"""Softmax and the activations, which are recognised by the values they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import Activation, Softmax
from nncost.ir import layers, ops
from nncost.ir.elementary import ARRAYS
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Region, walk
from nncost.ir.library.activations import SELU_ALPHA, SELU_SCALE

Array = Any
SAMPLES = np.linspace(-7.3, 7.1, 49)
"""Points on both sides of every bend of the known activations."""
SAME = 1e-7
"""Values that differ by less are the same function; the settings of files are float32."""


def softmax(region: Region, constants: Constants) -> Softmax:
    """Over the axis the region names."""
    return Softmax(region.inputs[0], region.settings(layers.Softmax).axis, region.layer.name == "log_softmax")


def activation(region: Region, constants: Constants) -> Activation | None:
    """The named function, where the region gives its values, with each of its own constants tried as a setting."""
    if len(region.inputs) != 1 or any(not isinstance(node.op, (ops.Map, ops.Constant)) for node in walk(region.items)):
        return None
    graph = Graph(region.inputs, (), region.outputs, region.items)
    with np.errstate(all="ignore"):
        values = execute(graph, {region.inputs[0]: SAMPLES})[region.outputs[0]]
        for settings in [(), *_settings(region)]:
            if np.allclose(_FORMULAS[region.layer.name](SAMPLES, *settings), values, rtol=SAME, atol=SAME):
                return Activation(region.inputs[0], region.layer.name, settings)
    return None


def _settings(region: Region) -> list[tuple[float, ...]]:
    """Every constant of a parametrised function; functions without settings have none."""
    if region.layer.name not in PARAMETRISED:
        return []
    numbers = [node.op.value for node in walk(region.items) if isinstance(node.op, ops.Constant)]
    return [(float(number),) for number in numbers if math.isfinite(float(number)) and number != 0]


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


_FORMULAS: Mapping[str, Callable[..., Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": _elu,
    "celu": _celu,
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "gelu": lambda x: 0.5 * x * (1 + ARRAYS.erf(x / math.sqrt(2))),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x * ARRAYS.sigmoid(x),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sigmoid": ARRAYS.sigmoid,
    "tanh": np.tanh,
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "hardsigmoid": _hard_sigmoid,
    "hardswish": lambda x: x * _hard_sigmoid(x),
}
PARAMETRISED = ("leaky_relu", "elu", "celu")
