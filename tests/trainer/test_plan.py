"""A prepared graph gives the numbers of ``execute``, and what outlives a step is written where it belongs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncost.frontends.model import LoadOptions
from nncost.ir.execute import execute
from nncost.ir.graph import Region
from nncost.ir.training.optimizers import LEARNING_RATE, OPTIMIZERS, STEP_NUMBER, step_constants
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.settings import Settings
from nncost.trainer.plan import plan_of

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
def test_a_plan_equals_execute(spec: str, dtype: str) -> None:
    found = counted(spec)
    graph = found.step.graph
    feeds = feeds_of(found, dtype)
    draws = np.random.default_rng(1)
    expected = execute(
        graph, {t: a.copy() for t, a in feeds.items()}, random=lambda s: draws.random(s).astype(dtype), dtype=dtype
    )
    again = np.random.default_rng(1)
    plan = plan_of(graph, again.random, dtype=dtype)
    values = plan.run(feeds, step_constants(LEARNING_RATE, STEP_NUMBER))
    tolerance = 1e-11 if dtype == "float64" else 2e-4
    assert set(values) == set(graph.outputs)
    for tensor, value in values.items():
        np.testing.assert_allclose(value, expected[tensor], rtol=tolerance, atol=tolerance)
        assert value.dtype == (tensor.dtype if "float" not in tensor.dtype else dtype)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plan_takes_learning_rate_and_step_at_each_run(name: str) -> None:
    found = counted("3-2", optimizer=name)
    feeds = feeds_of(found, "float64")
    plan = plan_of(found.step.graph, np.random.default_rng(0).random, dtype="float64")
    parameter = found.model.graph.parameters[0]
    updated = found.step.updated[parameter]

    def moved(rate: float, step: int) -> np.ndarray:
        return plan.run(feeds, step_constants(rate, step))[updated] - feeds[parameter.tensor]

    np.testing.assert_allclose(moved(0.02, 7), 2 * moved(0.01, 7), rtol=1e-9)
    differs = not np.allclose(moved(0.01, 1), moved(0.01, 7), rtol=1e-9)
    assert differs == (name in {"adam", "adamw"})


def test_running_averages_go_on_in_their_buffers_also_inside_loops() -> None:
    spec = "3, [batchnorm, dense 3]*4, dense 2"
    found = counted(spec, batch=5)
    graph = found.step.graph
    feeds = feeds_of(found, "float64")
    before = {tensor: array.copy() for tensor, array in feeds.items()}
    plan_of(graph, np.random.default_rng(0).random, dtype="float64").run(feeds, step_constants(0.0, 1))
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
    plan = plan_of(counted("6-5-4").step.graph, np.random.default_rng(0).random)
    dying = [place for step in plan.steps for place in step.dies]
    assert len(dying) == len(set(dying)) > 10
    made = {place for step in plan.steps for place in step.writes}
    assert made - set(dying) == {place for place in plan.results.values() if place in made}
