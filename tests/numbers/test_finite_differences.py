"""Derived gradients against (L(p+h) − L(p−h))/2h: a witness that knows no derivative at all."""

from __future__ import annotations

import numpy as np
import pytest

from nncost.frontends.model import LoadOptions
from nncost.ir.execute import execute
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings

STEP, RELATIVE, PROBES = 1e-5, 2e-5, 4
SPECS = [
    "3-4-2",
    "3-5:gelu-5:silu*3-2:softmax",
    "2x3, dense 4, layernorm, mish, dense 2",
    "2x6x5, conv 3 3x2 stride=2x1 pad=1, softplus, conv_transpose 2 2 stride=2",
    "4x5, conv 4 3 groups=2 pad=same, batchnorm, tanh, avgpool 2",
    "4x3x3, conv 4 1, groupnorm 2, global_avgpool, dense 2",
    "4x3x3, conv 4 2, lrn 3, instancenorm affine",
    "3, embedding 5 4, rmsnorm, attention heads=2 causal, dense 3, log_softmax",
    "4x4, attention heads=4 kv_heads=2, elu, dense 2",
    "3x4, lstm 3 bidirectional, dense 2",
    "3x4, gru 3 layers=2 last",
    "3x4, rnn 3 biases=1, selu",
    "4, [residual[dense 4, gelu_tanh]]*3, dense 2, softsign",
    "3x6x6, [conv 3 2, sigmoid]*3, adaptive_avgpool 2",
]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("spec", SPECS)
def test_gradient(spec: str, loss: str) -> None:
    settings = Settings(loss=loss, optimizer="none", load=LoadOptions(batch=2))
    step = count_source(spec, settings).step
    rng = np.random.default_rng(1)
    feeds = {
        t: rng.integers(0, 2, t.shape) if t.dtype == "int64" else rng.normal(size=t.shape)
        for t in (*step.graph.inputs, *(p.tensor for p in step.graph.parameters))
    }
    for parameter in step.graph.parameters:
        if parameter.role == "buffer":
            feeds[parameter.tensor] = np.abs(feeds[parameter.tensor]) + 0.5
    values = execute(step.graph, feeds)
    assert step.gradients
    for parameter, gradient in step.gradients.items():
        derived, numbers = values[gradient], feeds[parameter.tensor]
        for _ in range(PROBES):
            place = tuple(rng.integers(0, n) for n in numbers.shape)
            losses = []
            for shift in (STEP, -STEP):
                moved = numbers.copy()
                moved[place] += shift
                losses.append(float(execute(step.graph, feeds | {parameter.tensor: moved})[step.loss]))
            slope = (losses[0] - losses[1]) / (2 * STEP)
            assert slope == pytest.approx(derived[place], rel=RELATIVE, abs=1e-8), (
                parameter.path,
                parameter.tensor.name,
                place,
            )
