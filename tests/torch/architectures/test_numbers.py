"""The connected graph is the network: run on its weights it gives its outputs and gradients, and costs its ledger."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if not all(map(find_spec, ("torch", "transformers", "timm", "torchvision"))):
    pytest.skip("transformers, timm and torchvision are not installed", allow_module_level=True)

import numpy as np
from torch import nn

from nncost.frontends.huggingface.transformers import quiet
from nncost.ir.training.step import training_step
from tests.proof.selfcount import assert_proven
from tests.torch.architectures.running import connected, run_graph, run_module
from tests.torch.architectures.subjects import SUBJECTS, Subject, numbers

EXACT, SINGLE = 1e-9, 1e-6
IN_SINGLE_PRECISION = {
    "llama": "norms in float32, whatever the type of the model",
    "gemma2": "norms in float32",
    "phi3": "norms in float32",
    "mamba": "norms and states in float32",
    "t5": "norms in float32",
    "mobilenetv3_small_050": "PyTorch's gradient of hardsigmoid multiplies by 1/6 rounded to float32",
    "ghostnet_050": "PyTorch's gradient of hardsigmoid multiplies by 1/6 rounded to float32",
}
"""Modules that are themselves only right to single precision."""
NOT_RUN = {
    "mixtral": "experts are grouped by a histogram, which is counted but not run",
    "qwen3_moe": "experts are grouped by a histogram, which is counted but not run",
    "gpt_oss": "experts are grouped by a histogram, which is counted but not run",
    "deepseek_v3": "experts are grouped by a histogram, which is counted but not run",
    "bloom": "its GELU has a backward of its own, which a derived gradient does not see",
    "beit": "it keeps its table of distances between calls, also one of stand-ins",
}


def without_dropout(module: nn.Module) -> nn.Module:
    """Nothing is dropped at random."""
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return module


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if not s.large and s.name not in NOT_RUN], ids=str)
def test_outputs_and_gradients(subject: Subject) -> None:
    module, shapes = subject.build()
    training = not hasattr(module, "config")  # batch norm's statistics; transformers drop at random in many ways
    module = without_dropout(module.double()).train(training)
    given = numbers(shapes)
    tolerance = SINGLE if subject.name in IN_SINGLE_PRECISION else EXACT
    with quiet():
        found = run_graph(module, given)
        expected = run_module(module, given)
    np.testing.assert_allclose(found.output, expected.output, rtol=tolerance, atol=tolerance)
    scale = max(1.0, *(float(np.abs(g).max()) for g in expected.gradients.values()))
    for name in found.gradients.keys() | expected.gradients.keys():
        zero = np.zeros(())
        np.testing.assert_allclose(
            found.gradients.get(name, zero) + zero,
            expected.gradients.get(name, zero) + zero,
            rtol=tolerance,
            atol=tolerance * scale,
            err_msg=name,
        )


COUNTED_BY_RUNNING = ("gpt2", "llama", "bert", "deberta_v2", "t5", "whisper", "vit", "resnet")


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.name in COUNTED_BY_RUNNING], ids=str)
def test_ledger_is_what_runs(subject: Subject) -> None:
    """A whole step, on numbers that count what is done to them."""
    module, inputs = subject.build()
    module.eval()
    with quiet():
        graph = connected(module, inputs)
        assert_proven(training_step(graph, loss="squared_error", optimizer="adamw").graph)
