"""Initial values: by what a parameter does, the same for every engine."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from nncost.backends.initial_values import initialise
from nncost.errors import SymbolError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions


def by_name(spec: str, seed: int = 0) -> dict[str, np.ndarray]:
    graph = registry.load(spec, LoadOptions()).graph
    return {f"{p.path}.{p.tensor.name}": value for p, value in initialise(graph, seed).items()}


@pytest.mark.parametrize(
    ("spec", "name", "bound"),
    [
        ("300-200:sigmoid-10", "dense.1.weight", math.sqrt(3 / 300)),
        ("300-200:relu-10", "dense.1.weight", math.sqrt(6 / 300)),
        ("300, dense 200, gelu, dense 10", "dense.1.weight", math.sqrt(6 / 300)),
        ("8x20x20, conv 64 5, relu", "conv.1.weight", math.sqrt(6 / (8 * 25))),
        ("8x20x20, conv 64 5 groups=4", "conv.1.weight", math.sqrt(3 / (2 * 25))),
        ("5x50, lstm 100", "lstm.1.weight_ih", 1 / math.sqrt(100)),
        ("5x50, lstm 100 bidirectional", "lstm.1.bias_hh", 1 / math.sqrt(100)),
        ("40, [dense 40, tanh]*20", "repeat.1.dense.1.weight", math.sqrt(3 / 40)),
    ],
)
def test_uniform_between_bounds(spec: str, name: str, bound: float) -> None:
    values = by_name(spec)[name]
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.95 * bound
    assert abs(values.std() - bound / math.sqrt(3)) < 0.1 * bound


def test_scales_are_one_and_the_rest_zero() -> None:
    values = by_name("3x8x8, conv 4 3, batchnorm, flatten, dense 6, layernorm, dense 2")
    ones = [name for name, value in values.items() if (value == 1).all()]
    zeros = [name for name, value in values.items() if (value == 0).all()]
    assert ones == ["batchnorm.1.weight", "batchnorm.1.running_var", "layernorm.1.weight"]
    assert zeros == [
        "conv.1.bias",
        "batchnorm.1.bias",
        "batchnorm.1.running_mean",
        "dense.1.bias",
        "layernorm.1.bias",
        "dense.2.bias",
    ]


def test_embeddings_are_normal() -> None:
    table = by_name("5, embedding 500 40")["embedding.1.weight"]
    assert abs(table.std() - 1) < 0.05


def test_seeds() -> None:
    first, again, other = by_name("8-6-4", 1), by_name("8-6-4", 1), by_name("8-6-4", 2)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["dense.1.weight"] != other["dense.1.weight"]).all()
    assert not np.array_equal(first["dense.1.weight"].ravel()[:8], first["dense.2.weight"].ravel()[:8])


def test_layers_keep_their_variance() -> None:
    """Through twenty layers with rectifiers the values neither vanish nor grow."""
    from nncost.ir.execute import execute

    graph = registry.load("256, [dense 256, relu]*20", LoadOptions(batch=64)).graph
    feeds = {graph.inputs[0]: np.random.default_rng(0).normal(size=(64, 256))}
    values = execute(graph, feeds | {p.tensor: v for p, v in initialise(graph, 3).items()})
    assert 0.1 < np.sqrt((values[graph.outputs[0]] ** 2).mean()) < 10


def test_symbols_are_refused() -> None:
    with pytest.raises(SymbolError, match="without a number"):
        initialise(registry.load("h0-h1", LoadOptions()).graph)


def test_no_framework_is_needed() -> None:
    code = (
        "import sys\nfrom nncost.frontends import registry\nfrom nncost.frontends.model import LoadOptions\n"
        "from nncost.backends.initial_values import initialise\ninitialise(registry.load('4-3', LoadOptions()).graph)\n"
        "from nncost.backends.onnx import safetensors_bytes\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
