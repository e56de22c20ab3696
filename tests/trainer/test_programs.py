"""A prepared graph gives the same numbers at each run, and what outlives a step is written where it belongs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncost.frontends.model import LoadOptions
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.execute import constants_of, execute, prepare
from nncost.ir.graph import Region
from nncost.ir.training.optimizers import LEARNING_RATE, OPTIMIZERS, STEP_NUMBER, step_constants
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.settings import Settings

SPECS = [
    "6-5-4",
    "6-5:relu-4:softmax",
    "2x6x6, conv 4 3x3 pad=1 stride=2, batchnorm, relu, maxpool 2, flatten, dense 3",
    "2x6x6, conv 4 3x3 groups=2, gelu, avgpool 2, global_avgpool, dense 3, softmax",
    "1x5x5, conv_transpose 3 3x3 stride=2, silu, global_maxpool, dense 2",
    "5x4, lstm 3 layers=2, gru 4 bidirectional last, dense 2",
    "6, embedding 9 8, layernorm, attention heads=2 causal, residual[dense 8, gelu], flatten, dense 3",
    "4, [dense 4, tanh]*3, dropout 0.3, dense 2",
    "4x4x4, adaptive_avgpool 3, lrn 3, groupnorm 2, flatten, dense 3, log_softmax",
]


def counted(spec: str, batch: int = 4, optimizer: str = "adam") -> Counted:
    return count_source(spec, Settings(optimizer=optimizer, load=LoadOptions(batch=batch)))


def feeds_of(found: Counted, dtype: str) -> dict[Any, Any]:
    rng, graph = np.random.default_rng(0), found.step.graph
    feeds: dict[Any, Any] = {}
    for tensor in (*graph.inputs, *(parameter.tensor for parameter in graph.parameters)):
        whole = tensor.dtype == "int64"
        limit = 9 if tensor.name == "x" else int(graph.outputs[0].shape[-1])
        feeds[tensor] = (
            rng.integers(0, limit, tensor.shape) if whole else rng.uniform(0.1, 0.9, tensor.shape).astype(dtype)
        )
    return feeds


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_program_equals_execute_however_often_it_runs(spec: str, dtype: str) -> None:
    found = counted(spec)
    graph = found.step.graph
    feeds = feeds_of(found, dtype)
    draws = np.random.default_rng(1)
    expected = execute(
        graph, {t: a.copy() for t, a in feeds.items()}, random=lambda s: draws.random(s).astype(dtype), dtype=dtype
    )
    again = np.random.default_rng(1)
    program = prepare(graph, again.random, dtype=dtype)
    given = {t: a.copy() for t, a in feeds.items()}
    program.run(given, step_constants(0.5, 1))
    again.bit_generator.state = np.random.default_rng(1).bit_generator.state
    values = program.run(given, step_constants(LEARNING_RATE, STEP_NUMBER))
    for tensor, array in given.items():
        np.testing.assert_array_equal(array, feeds[tensor])
    tolerance = 1e-11 if dtype == "float64" else 2e-4
    assert set(values) == set(graph.outputs)
    for tensor, value in values.items():
        np.testing.assert_allclose(value, expected[tensor], rtol=tolerance, atol=tolerance)
        assert value.dtype == (tensor.dtype if "float" not in tensor.dtype else dtype)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_program_takes_learning_rate_and_step_at_each_run(name: str) -> None:
    found = counted("3-2", optimizer=name)
    feeds = feeds_of(found, "float64")
    program = prepare(found.step.graph, np.random.default_rng(0).random, dtype="float64")
    parameter = found.model.graph.parameters[0]
    updated = found.step.updated[parameter]

    def moved(rate: float, step: int) -> np.ndarray:
        return program.run(feeds, step_constants(rate, step))[updated] - feeds[parameter.tensor]

    np.testing.assert_allclose(moved(0.02, 7), 2 * moved(0.01, 7), rtol=1e-9)
    differs = not np.allclose(moved(0.01, 1), moved(0.01, 7), rtol=1e-9)
    assert differs == (name in {"adam", "adamw"})


def test_running_averages_go_on_in_their_buffers_also_inside_loops() -> None:
    spec = "3, [batchnorm, dense 3]*4, dense 2"
    found = counted(spec, batch=5)
    graph = found.step.graph
    feeds = feeds_of(found, "float64")
    before = {tensor: array.copy() for tensor, array in feeds.items()}
    random = np.random.default_rng(0).random
    prepare(graph, random, dtype="float64", update_buffers=True).run(feeds, step_constants(0.0, 1))
    written = counted(
        "3, batchnorm, dense 3, batchnorm, dense 3, batchnorm, dense 3, batchnorm, dense 3, dense 2", batch=5
    )
    flat = feeds_of(written, "float64")
    flat[written.model.graph.inputs[0]] = before[found.model.graph.inputs[0]]
    stacks = {p.tensor.name + p.path: before[p.tensor] for p in graph.parameters}
    for number in range(4):
        for kind, name in (("batchnorm", "weight"), ("batchnorm", "bias"), ("batchnorm", "running_mean"),
                           ("batchnorm", "running_var"), ("dense", "weight"), ("dense", "bias")):  # fmt: skip
            to = next(
                p for p in written.model.graph.parameters if p.path == f"{kind}.{number + 1}" and p.tensor.name == name
            )
            flat[to.tensor] = stacks[f"{name}repeat.1.{kind}.1"][number]
    values = execute(written.step.graph, flat)
    regions = [item for item in written.step.graph.items if isinstance(item, Region) and item.effects]
    assert len(regions) == 4
    for number, region in enumerate(regions):
        for name, fresh in zip(("running_mean", "running_var"), region.effects, strict=True):
            stack = next(p.tensor for p in graph.parameters if p.tensor.name == name)
            np.testing.assert_allclose(feeds[stack][number], values[fresh], rtol=1e-10)
            assert not np.allclose(feeds[stack][number], before[stack][number])


def test_values_are_let_go_after_their_last_use() -> None:
    program = prepare(counted("6-5-4").step.graph, np.random.default_rng(0).random)
    last = [slot for step in program.instructions for slot in step.last_uses]
    assert len(last) == len(set(last)) > 10
    made = {slot for step in program.instructions for slot in step.writes}
    assert made - set(last) == {slot for slot in program.results.values() if slot in made}


def test_constants_are_what_no_input_reaches() -> None:
    b = Builder(dtype="float64")
    x = b.input((2,), name="x")
    two = b.constant(2.0)
    six = b.map("mul", two, b.constant(3.0))
    row = b.broadcast(six, (2,))
    drawn = b.emit(ops.Random((2,)))
    graph = b.graph(b.map("mul", x, row), b.map("mul", drawn, row))
    constants = constants_of(graph.items)
    assert (float(constants[two]), float(constants[six]), constants[row].tolist()) == (2.0, 6.0, [6.0, 6.0])
    assert not constants.keys() & {x, drawn, *graph.outputs}
    program = prepare(graph, np.random.default_rng(0).random, dtype="float64")
    assert [type(step.node.op).__name__ for step in program.instructions] == ["Random", "Map", "Map"]
