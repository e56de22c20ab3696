"""Networks nobody wrote: random layers with random settings, as modules and as written files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nncost import count
from nncost.backends.onnx import onnx_bytes
from nncost.errors import NncostError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.ir.execute import execute
from tests.backends.test_export import example_feeds, graph_of, random_values, session
from tests.backends.test_modules import build, compare

ELEMENTWISE = ["relu", "gelu", "silu", "tanh", "leaky_relu", "hardswish", "elu"]
TRIES = 30
NETWORKS = 40


def image_layer(rng: random.Random, axes: int) -> str:
    """A layer on images of 4 or 8 channels."""

    def kernel() -> str:
        return "x".join(str(rng.randint(1, 4)) for _ in range(rng.choice([1, axes])))

    stride, dilation = rng.choice(["", " stride=2", " stride=3"]), rng.choice(["", "", " dilation=2"])
    pad, groups = rng.choice(["", " pad=1", " pad=2", " pad=same"]), rng.choice(["", " groups=2", " groups=4"])
    out, bias = rng.choice([4, 8]), rng.choice(["", " bias=no"])
    fixed, extra = rng.choice(["", " pad=1", " pad=2"]), rng.choice(["", " output_pad=1"])
    narrow = rng.choice(["", " pad=1", " pad=same"])
    return rng.choice(
        [
            f"conv {out} {kernel()}{stride}{pad}{dilation}{groups}{bias}",
            f"conv_transpose {out} {kernel()}{stride}{fixed}{dilation}{groups}{extra}{bias}",
            f"maxpool {rng.randint(2, 4)}{stride}{narrow}{dilation}",
            f"avgpool {kernel()}{stride}{pad}",
            f"adaptive_{rng.choice(['avg', 'max'])}pool {rng.randint(1, 3)}",
            rng.choice(["batchnorm", "groupnorm 2", "instancenorm", "instancenorm affine", f"lrn {rng.randint(1, 5)}"]),
            rng.choice([*ELEMENTWISE, "softmax"]),
        ]
    )


def sequence_layer(rng: random.Random, depth: int = 1) -> str:
    """A layer on sequences of width 8, or a block of such layers."""
    if depth and rng.random() < 0.4:
        inner = ", ".join(sequence_layer(rng, depth - 1) for _ in range(rng.randint(1, 3)))
        return rng.choice([f"residual[{inner}]", f"[{inner}]*{rng.randint(2, 3)}"])
    biases = rng.choice(["", " biases=1"])
    return rng.choice(
        [
            f"attention heads={rng.choice([2, 4])}{rng.choice(['', ' kv_heads=2'])}{rng.choice(['', ' causal'])}",
            f"{rng.choice(['rnn', 'lstm', 'gru'])} 4 bidirectional{biases}",
            f"{rng.choice(['rnn', 'lstm', 'gru'])} 8{biases}{rng.choice(['', ' layers=2'])}",
            f"dense 8{rng.choice(['', ' bias=no'])}",
            rng.choice(["layernorm", "rmsnorm", "softmax", "log_softmax", *ELEMENTWISE]),
        ]
    )


def written(rng: random.Random, layer: Callable[[], str], start: str) -> str:
    """A spec of one to four layers that fits together."""
    for _ in range(TRIES):
        spec = ", ".join([start, *(layer() for _ in range(rng.randint(1, 4)))])
        try:
            registry.load(spec, LoadOptions())
        except NncostError:
            continue
        return spec
    raise AssertionError("no network fits together")


def network(seed: int) -> str:
    rng = random.Random(seed)
    if seed % 2:
        return written(rng, lambda: sequence_layer(rng), f"{rng.randint(1, 5)}x6, dense 8")
    axes = rng.randint(1, 3)
    sizes = "x".join(str(rng.randint(3, 9)) for _ in range(axes))
    return written(rng, lambda: image_layer(rng, axes), f"4x{sizes}, conv 4 1")


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_module_and_file(seed: int, tmp_path: Path) -> None:
    check(network(seed), tmp_path)


def check(spec: str, folder: Path) -> None:
    built = build(spec, batch=2, dtype="float64", training=True)
    compare(built, "squared_error", 1e-7)
    graph, larger = graph_of(spec, training=True), graph_of(spec, batch=3)
    values, feeds = random_values(graph), example_feeds(larger)
    blob, path = onnx_bytes(graph, values), folder / "net.onnx"
    numbers = {p.tensor: value for p, value in zip(larger.parameters, values.values(), strict=True)}
    expected = execute(larger, feeds | numbers, dtype="float32")[larger.outputs[0]]
    (found,) = session(blob).run(None, {"x": feeds[larger.inputs[0]]})
    np.testing.assert_allclose(
        found, expected, rtol=1e-3, atol=1e-4 * max(1, float(np.abs(expected).max())), err_msg=spec
    )
    path.write_bytes(blob)
    ours = count(spec, batch=2, loss="none", mode="inference")
    for theirs in (count(str(path), batch=2), count(build(spec, batch=2).module, build(spec, batch=2).inputs)):
        assert theirs.complete
        assert (theirs.forward.macs, theirs.parameters.total) == (ours.forward.macs, ours.parameters.total), spec
