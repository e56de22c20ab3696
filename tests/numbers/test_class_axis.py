"""Cross-entropy fused with a softmax over an axis that is not the last, as in fully convolutional networks."""

from __future__ import annotations

import numpy as np
import torch

from nncost.counting.ledger import count_graph
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.library.activations import softmax
from nncost.ir.library.dense import dense
from nncost.ir.training.step import training_step
from tests.proof.selfcount import assert_proven


def test_cross_entropy_over_channels() -> None:
    b = Builder(training=True)
    x = b.input((2, 3, 4, 5))
    with b.layer("dense"):
        weight = b.parameter((6, 5), "weight", "weight")
        logits = dense(b, x, weight)
    step = training_step(b.graph(softmax(b, logits, 1, layer=True)), loss="cross_entropy", optimizer="sgd")
    assert_proven(step.graph)
    assert count_graph(step.graph).amount("div", "loss") == 1 + 2 * 3 * 4 * 6

    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 5))
    target = rng.integers(0, 3, size=(2, 4, 6))
    labels = next(tensor for tensor in step.graph.inputs if tensor.name == "target")
    found = execute(step.graph, {x: values, weight: weights, labels: target})

    kernel = torch.tensor(weights, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(values) @ kernel.T, torch.tensor(target))
    loss.backward()
    assert step.loss is not None
    np.testing.assert_allclose(found[step.loss], loss.item(), rtol=1e-12)
    (gradient,) = step.gradients.values()
    assert kernel.grad is not None
    np.testing.assert_allclose(found[gradient], kernel.grad.numpy(), rtol=1e-10)
