"""A built module gives what the counted graph gives: outputs, loss, gradients, running averages, counts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nncost import count
from nncost.backends.torch import Built, loss_function, module_of
from nncost.errors import OptionError, ShapeError, SourceError, SymbolError
from nncost.frontends.model import LoadOptions
from nncost.ir.execute import execute
from nncost.ir.graph import Parameter, Region, Tensor
from nncost.ir.training.losses import LOSSES
from nncost.ir.training.step import training_step
from tests.backends.networks import SPECS

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
# PyTorch's own gradient of hardsigmoid holds 1/6 in single precision.
OWN_ROUNDING = {"hardsigmoid": 1e-7}


def close(ours: Any, theirs: Any, tolerance: float, scale: float = 1e-3) -> None:
    """Equal up to a share of the largest number (at least ``scale``), of the same shape."""
    left, right = (np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype=float) for x in (ours, theirs))
    assert left.shape == right.shape
    scale = max(float(np.abs(right).max(initial=0)), scale)
    np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance * scale)


def build(spec: str, **options: Any) -> Built:
    return module_of(spec, LoadOptions(**options), seed=1)


def gradients(built: Built) -> dict[Parameter, np.ndarray]:
    """The module's gradients in the graph's layout."""
    found = {parameter: np.zeros_like(value) for parameter, value in built.values().items()}
    for view, held in built.parameter_map.tensors.items():
        tensor = held.value()
        if tensor.grad is not None:
            view.write(tensor.grad.numpy(), found[view.parameter])
    return found


def loss_of(spec: str) -> str:
    return "cross_entropy" if spec.endswith((":softmax", ", softmax")) else "squared_error"


def run_graph(built: Built, loss: str, target: torch.Tensor | None) -> tuple[Any, Mapping[Tensor, np.ndarray]]:
    step = training_step(built.graph, loss=loss, optimizer="none")
    feeds = {tensor: value.numpy() for tensor, value in zip(built.graph.inputs, built.inputs, strict=True)}
    feeds |= {parameter.tensor: value for parameter, value in built.values().items()}
    feeds |= {t: target.numpy() for t in step.graph.inputs if t.name == "target" and target is not None}
    feeds |= {t: np.ones(()) for t in step.graph.inputs if t.name == "loss_gradient"}
    return step, execute(step.graph, feeds, dtype=built.graph.outputs[0].dtype)


def compare(built: Built, loss: str, tolerance: float) -> None:
    target = built.targets(loss)
    step, values = run_graph(built, loss, target)
    output = built.module(*built.inputs)
    outputs = output if isinstance(output, tuple) else (output,)
    for ours, tensor in zip(outputs, built.graph.outputs, strict=True):
        close(ours, values[tensor], tolerance)
    found = built.loss_function(loss)(output, target)
    close(found, values[step.loss], tolerance)
    assert set(step.gradients) == {p for p in built.graph.parameters if p.trainable}
    if not step.gradients:
        assert not found.requires_grad
        return
    found.backward()
    ours = gradients(built)
    # Some gradients are zero but for rounding (a bias before a norm): they are compared with the largest of all.
    largest = max(1e-3, *(float(np.abs(values[tensor]).max()) for tensor in step.gradients.values()))
    for parameter, tensor in step.gradients.items():
        close(ours[parameter], values[tensor], tolerance, largest)


def tolerance_of(spec: str, dtype: str) -> float:
    return max([TOLERANCE[dtype], *(limit for name, limit in OWN_ROUNDING.items() if name in spec)])


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_loss_and_gradients_equal_the_graph(spec: str, dtype: str) -> None:
    built = build(spec, batch=3, dtype=dtype, training="dropout" not in spec)
    compare(built, loss_of(spec), tolerance_of(spec, dtype))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("spec", ["5-4-3", "5-4-3:softmax", "2x5, dense 4, sigmoid", "2x5, dense 4, softmax"])
def test_losses(spec: str, loss: str) -> None:
    compare(build(spec, batch=3, dtype="float64", training=True), loss, TOLERANCE["float64"])


@pytest.mark.parametrize("spec", SPECS)
def test_another_batch_size(spec: str) -> None:
    """A module of one batch size takes every other, as a last batch of fewer examples needs."""
    built, larger = build(spec, batch=2, dtype="float64"), build(spec, batch=5, dtype="float64")
    with torch.no_grad():
        close(built.module(*larger.inputs), larger.module(*larger.inputs), TOLERANCE["float64"])


@pytest.mark.parametrize("spec", SPECS)
def test_evaluation_of_a_network_built_for_training(spec: str) -> None:
    trained, inference = (build(spec, batch=3, dtype="float64", training=training) for training in (True, False))
    assert (trained.module.training, inference.module.training) == (True, False)
    trained.module.eval()
    with torch.no_grad():
        close(trained.module(*trained.inputs), inference.module(*inference.inputs), TOLERANCE["float64"])


@pytest.mark.parametrize("spec", SPECS)
def test_counts_equal_those_of_the_spec(spec: str) -> None:
    built = build(spec, batch=3)
    ours, theirs = count(spec, batch=3, loss="none", mode="inference"), count(built.module, built.inputs)
    assert theirs.complete
    assert theirs.forward.macs == ours.forward.macs
    assert theirs.parameters.total == ours.parameters.total
    assert sum(p.numel() for p in built.module.parameters()) == ours.parameters.total
    persistent = built.module.state_dict().keys() - dict(built.module.named_parameters()).keys()
    assert sum(built.module.state_dict()[name].numel() for name in persistent) == ours.parameters.buffers


@pytest.mark.parametrize(
    "spec", ["784-16-16-10", "2x8x8, conv 4 3, batchnorm, relu, flatten, dense 3", "4x3, lstm 5 last, dense 2"]
)
def test_a_training_step_counts_as_the_spec_does(spec: str) -> None:
    built = build(spec, batch=4, training=True)
    ours = count(spec, batch=4, loss="sum", optimizer="sgd")
    theirs = count(built.module, built.inputs, loss="sum", optimizer="sgd")
    assert (theirs.forward.macs, theirs.backward.macs) == (ours.forward.macs, ours.backward.macs)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("spec", ["3, dense 4, batchnorm, dense 2", "2x3x3, conv 3 1, batchnorm, conv 2 1"])
def test_running_averages(spec: str, batch: int) -> None:
    """Also of a single value for each channel, which PyTorch's own layer refuses."""
    built = build(spec, batch=batch, dtype="float64", training=True)
    _, values = run_graph(built, "squared_error", built.targets("squared_error"))
    region = next(item for item in built.graph.items if isinstance(item, Region) and item.layer.name == "batchnorm")
    close(built.module(*built.inputs), values[built.graph.outputs[0]], 1e-10)
    after = {parameter.tensor: value for parameter, value in built.values().items()}
    for buffer, effect in zip(region.inputs[3:5], region.effects, strict=True):
        close(after[buffer], values[effect], 1e-10)


def test_dropout_drops_its_share_in_training_alone() -> None:
    built = build("4000, dropout 0.25", batch=2, training=True)
    torch.manual_seed(0)
    kept = built.module(*built.inputs) != 0
    assert 0.70 < kept.double().mean() < 0.80
    scaled = built.module(*built.inputs)
    close(scaled[scaled != 0], (built.inputs[0] / 0.75)[scaled != 0], 1e-6)
    assert torch.equal(built.module.eval()(*built.inputs), built.inputs[0])


# ------------------------------------------------------------------- layers as modules
def test_names_are_those_of_the_layers() -> None:
    built = build("784-16-16-10")
    assert list(built.module.state_dict()) == [f"dense.{n}.{leaf}" for n in (1, 2, 3) for leaf in ("weight", "bias")]
    assert built.module.get_submodule("dense.1").weight.shape == (16, 784)


def test_each_repetition_is_a_module_of_its_own() -> None:
    built = build("4, [dense 4, [dense 4, tanh]*3]*3, dense 2", batch=2)
    inner = {name: layer for name, layer in built.layers.items() if layer == "repeat.1.repeat.1.dense.1"}
    assert len(inner) == 9
    assert all(isinstance(built.module.get_submodule(name), nn.Linear) for name in inner)
    assert built.module.get_submodule("repeat.1.2.repeat.1.3.dense.1").weight.shape == (4, 4)


@pytest.mark.parametrize(
    "spec", ["4, dense 3, relu, [residual[dense 3, tanh]]*3, dense 2", "5x6, attention heads=2, lstm 3"]
)
def test_each_layer_is_called(spec: str) -> None:
    """So that hooks see every layer that a report has a row for."""
    built = build(spec, batch=2)
    called: set[str] = set()
    for name, module in built.module.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(built.layers.get(name, "")))
    built.module(*built.inputs)
    assert {row.path for row in count(spec, batch=2, loss="none").rows} <= called


STANDARD = {
    "4, dense 3": nn.Linear, "2x9, conv 3 3": nn.Conv1d, "2x9x9, conv 3 3": nn.Conv2d, "1x5x5x5, conv 2 3": nn.Conv3d,
    "2x3x3, conv_transpose 3 2 stride=2": nn.ConvTranspose2d, "2x6x6, maxpool 2": nn.MaxPool2d, "2x6x6, avgpool 2": nn.AvgPool2d,
    "2x3x3, batchnorm": nn.BatchNorm2d, "3x4, layernorm": nn.LayerNorm, "3x4, rmsnorm": nn.RMSNorm, "4x3x2, groupnorm 2": nn.GroupNorm,
    "4x3, lstm 5": nn.LSTM, "4x3, gru 5 bidirectional": nn.GRU, "4x3, rnn 5 last": nn.RNN, "5, embedding 7 4": nn.Embedding,
    "4, relu": nn.ReLU, "4, gelu": nn.GELU, "4, gelu_tanh": nn.GELU, "4, softmax": nn.Softmax, "4, dropout 0.5": nn.Dropout,
}  # fmt: skip


@pytest.mark.parametrize("spec", STANDARD)
def test_pytorchs_own_layers(spec: str) -> None:
    built = build(spec, batch=2, training=True)
    ((name, _),) = [
        (name, path) for name, path in built.layers.items() if built.module.get_submodule(name)._modules == {}
    ]
    assert type(built.module.get_submodule(name)) is STANDARD[spec]


def test_a_copy_stands_alone() -> None:
    built = build("2x6x6, conv 3 3, batchnorm, relu, flatten, dense 4", batch=2, training=True)
    twin = copy.deepcopy(built.module)
    before = built.module.eval()(*built.inputs)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(built.module(*built.inputs), before)
    assert not twin.eval()(*built.inputs).any()


# ------------------------------------------------------------------- values
@pytest.mark.parametrize("spec", SPECS)
def test_values_there_and_back(spec: str) -> None:
    built = build(spec, batch=2)
    rng = np.random.default_rng(3)
    values = {p: rng.uniform(0.1, 0.9, v.shape).astype(v.dtype) for p, v in built.values().items()}
    built.set_values(values)
    after = built.values()
    assert list(after) == list(built.graph.parameters)
    for parameter, value in values.items():
        np.testing.assert_array_equal(after[parameter], value)


def test_values_of_another_shape_are_refused() -> None:
    built = build("4-3-2")
    parameter = built.graph.parameters[0]
    with pytest.raises(ShapeError, match=r"dense\.1\.weight has the shape \(3, 4\), received values of \(4, 3\)"):
        built.set_values({parameter: np.zeros((4, 3))})


def test_frozen_parameters_ask_for_no_gradient() -> None:
    from nncost.ir.graph import Graph

    graph = build("4-3-2").graph
    parameters = tuple(Parameter(p.tensor, p.role, p.path, trainable=p.path != "dense.1") for p in graph.parameters)
    module = module_of(Graph(graph.inputs, parameters, graph.outputs, graph.items)).module
    assert [name for name, p in module.named_parameters() if not p.requires_grad] == ["dense.1.weight", "dense.1.bias"]


def test_seeds() -> None:
    first, again, other = (module_of("8-6-4", LoadOptions(), seed=seed).module.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["dense.1.weight"], other["dense.1.weight"])


# ------------------------------------------------------------------- what does not fit
def test_symbols_are_refused() -> None:
    with pytest.raises(SymbolError, match="size B is a symbol"):
        module_of("4-3", LoadOptions(batch=count("4-3", batch="B").settings["batch"]))
    with pytest.raises(SymbolError):
        module_of("h0-h1-...-hl", LoadOptions())


def test_a_checkpoint_has_no_graph(tmp_path: Any) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, w=np.zeros(3))
    with pytest.raises(SourceError, match="holds no graph to run"):
        module_of(str(path), LoadOptions())


def test_more_parameters_than_memory() -> None:
    with pytest.raises(SourceError, match=r"bytes of memory"):
        module_of("1000000-1000000000-10", LoadOptions())


def test_an_unknown_loss() -> None:
    with pytest.raises(OptionError, match="no loss 'hinge'"):
        loss_function("hinge")
