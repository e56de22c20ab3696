"""DESIGN's first proof: every composite, in every phase, counted by the numbers themselves."""

from __future__ import annotations

import pytest

from nncost.frontends.model import LoadOptions
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from tests.layer_examples import EXAMPLES
from tests.proof.selfcount import assert_proven

LAYER_SPECS = [
    "3-4-2",
    "3-4:relu-2:softmax",
    "2x3-4-2",
    "3-2*3-2",
    "3-3*1-2",
    "4, dense 3 bias=no, tanh",
    "2x3, dense 4",
    "2x5, conv 3 3",
    "2x5x4, conv 3 3x2 stride=2x1 pad=1",
    "2x6x5, conv 4 3 pad=same, relu",
    "2x6x5, conv 4 3 pad=same stride=2",
    "4x5x5, conv 6 3 groups=2 dilation=2, sigmoid",
    "4x4x4, conv 4 3x3 groups=4 pad=1 bias=no",
    "1x3x3x3, conv 2 2",
    "2x3x3, conv_transpose 3 2 stride=2",
    "4x3x3, conv_transpose 2 3 stride=2 pad=1 output_pad=1 groups=2",
    "2x4, conv_transpose 3 3 dilation=2 bias=no",
    "2x6x6, conv 2 1, maxpool 2",
    "2x5x5, conv 2 1, maxpool 3 stride=2 pad=1, flatten, dense 2",
    "2x6x6, conv 2 1, avgpool 3 stride=2 pad=1",
    "2x7, conv 2 1, avgpool 2",
    "2x4x4, conv 3 1, global_avgpool, dense 2",
    "2x4x4, conv 3 1, global_maxpool, dense 2",
    "2x4x4, conv 2 1, adaptive_avgpool 2",
    "2x5x4, conv 2 1, adaptive_avgpool 3x2",
    "2x5x4, conv 2 1, adaptive_maxpool 3x2",
    "2x3x3, conv 3 1, batchnorm, relu",
    "3, dense 4, batchnorm",
    "3x4, dense 4, layernorm",
    "3x4, dense 4, rmsnorm",
    "4x3, conv 4 1, groupnorm 2",
    "4x3, conv 4 1, instancenorm",
    "4x3, conv 4 1, instancenorm affine",
    "4x3x3, conv 4 1, lrn 3",
    "5, dense 4, dropout 0.4, dense 2",
    "5, dense 4, softmax",
    "5, dense 4, log_softmax",
    "3, embedding 5 4, dense 2",
    "3x4, attention heads=2",
    "3x4, attention heads=2 causal",
    "3x8, attention heads=4 kv_heads=2 causal bias=no",
    "3x4, rnn 3",
    "3x4, rnn 3 last",
    "1x4, rnn 3",
    "2x4, gru 3 biases=1",
    "3x4, gru 2 bidirectional layers=2",
    "3x4, lstm 3",
    "4x2, lstm 3 last biases=1",
    "1x2, lstm 3 last",
    "2x2, lstm 3",
    "3x4, lstm 2 bidirectional last layers=2, dense 2",
    "4, residual[dense 4, relu], dense 2",
    "4, [dense 4, relu]*3, dense 2",
    "4, dense 4, [dense 4, relu]*3",
    "5, [dense 4, relu]*3, dense 2",
    "3x6x6, [conv 3 2]*3",
    "4, [dense 4, [dense 3, tanh]*3, dense 4]*2",
    "3x4, [residual[lstm 4]]*3",
    "2x3x3, [residual[conv 2 3 pad=1, batchnorm, relu, dropout 0.5]]*3, global_avgpool",
    "2, embedding 5 4, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense 6, gelu, dense 4]]*3, dense 5 bias=no",
]


def prove(
    spec: str, *, batch: int = 2, loss: str | None = "squared_error", optimizer: str = "sgd", **settings: object
) -> None:
    options = LoadOptions(batch=batch)
    counted = count_source(spec, Settings(loss=loss, optimizer=optimizer, load=options, **settings))  # type: ignore[arg-type]
    assert_proven(counted.step.graph)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("spec", LAYER_SPECS)
def test_training_step(spec: str, batch: int) -> None:
    prove(spec, batch=batch)


@pytest.mark.parametrize("spec", LAYER_SPECS)
def test_inference(spec: str) -> None:
    prove(spec, loss="none", optimizer="none")


@pytest.mark.parametrize("spec", ["3x3x3, conv 4 2, batchnorm, dropout 0.5, relu", "4, dense 3, batchnorm"])
def test_training_through_inference_mode(spec: str) -> None:
    prove(spec, mode="inference")


@pytest.mark.parametrize("spec", [spec for specs in EXAMPLES.values() for spec in specs])
def test_every_layer_of_the_spec_language(spec: str) -> None:
    prove(spec)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations(name: str) -> None:
    prove(f"3, dense 4, {name}, dense 2, {name}")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("spec", ["3-4-3", "3, dense 4, softmax", "2x3, dense 4, sigmoid"])
def test_losses(spec: str, loss: str) -> None:
    prove(spec, loss=loss)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_optimizers(optimizer: str) -> None:
    prove("3-4-2", optimizer=optimizer)


def test_frozen_layers() -> None:
    prove("3-4-4-2", freeze=("dense.1",))
    prove("3-4-4-2", freeze=("dense.2", "dense.3.bias"))


def test_accumulation() -> None:
    from nncost.ir.training.step import accumulation_graph

    counted = count_source("3-4-2", Settings(accumulate=3))
    assert_proven(accumulation_graph(list(counted.step.gradients.items())))
