"""The nine image networks that ``pip install onnx==1.23.2`` ships, counted and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

import nncost
from nncost.frontends.model import LoadOptions, Model
from nncost.frontends.onnx.load import load
from nncost.ir.execute import execute
from nncost.ir.graph import Region
from tests.onnx.models import assert_close, light, reference

# Parameters: initializer and ConstantOfShape elements that feed layers, batch-norm statistics left out.
# MACs: products of Conv, Gemm and MatMul from the shapes that onnx.shape_inference 1.23.2 gives (recomputed below).
FIGURES = {
    "bvlc_alexnet": (60_965_224, 654_560_384),
    "densenet121": (8_062_504, 2_834_161_664),
    "inception_v1": (6_998_552, 1_431_556_352),
    "inception_v2": (11_214_888, 2_018_851_840),
    "resnet50": (25_557_032, 4_089_184_256),
    "shufflenet": (1_393_320, 124_664_528),
    "squeezenet": (1_235_496, 349_151_936),
    "vgg19": (143_667_240, 19_632_062_464),
    "zfnet512": (87_250_536, 1_481_727_008),
}


@pytest.mark.parametrize("name", FIGURES)
def test_totals(name: str) -> None:
    report = nncost.count(str(light(name)))
    assert (report.complete, report.parameters.total, report.forward.macs) == (True, *FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_macs_equal_those_of_inferred_shapes(name: str) -> None:
    """A second count that shares nothing with the first but the file."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(light(name))).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]][1:]))
        elif node.op_type == "Gemm":
            total += int(np.prod(shapes[node.output[0]]) * shapes[node.input[0]][1])
    assert total == FIGURES[name][1]


@pytest.mark.parametrize("name", ["resnet50", "shufflenet", "squeezenet"])
def test_output_shapes_are_the_inferred_ones(name: str) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load(light(name))).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    inferred = {node.name: tuple(shapes[node.output[0]]) for node in graph.node if node.output[0] in shapes}
    found = {row.path: row.output for row in nncost.count(str(light(name))).rows}
    assert len(found) > 50
    assert {path: inferred[path] for path in found} == found


def test_roles() -> None:
    """ResNet-50's 53 batch norms: 26,560 scales, shifts, means and variances each."""
    parameters = nncost.count(str(light("resnet50"))).parameters
    assert (parameters.weights, parameters.biases, parameters.other) == (25_502_912 + 26_560 - 0, 27_560, 0)
    assert parameters.buffers == 2 * 26_560


@pytest.mark.parametrize("name", FIGURES)
def test_run_equals_onnxruntime(name: str) -> None:
    """With random weights; the outputs shipped with these files come from constant weights and show nothing."""
    model = load(str(light(name)), LoadOptions())
    weights = dict(_random_weights(model))
    image = np.random.default_rng(1).standard_normal((1, 3, 224, 224), dtype=np.float32)
    ending = model.graph.items[-1]
    last = ending.inputs[0] if isinstance(ending, Region) and ending.layer.name == "softmax" else model.graph.outputs[0]
    feeds = {model.graph.inputs[0]: image} | {p.tensor: weights[p.tensor.name] for p in model.graph.parameters}
    values = execute(model.graph, feeds, dtype="float32")
    ours = [values[model.graph.outputs[0]], values[last]]
    values.clear()
    fed = _fed_model(name, weights)
    theirs = reference(fed, {fed.graph.input[0].name: image, **weights})
    assert np.std(theirs[-1]) > 1e-3 * np.abs(theirs[-1]).max() > 0
    assert_close(ours[0], theirs[0], 1e-4)
    assert_close(ours[1].reshape(theirs[-1].shape), theirs[-1], 1e-4)


@pytest.mark.parametrize("name", ["shufflenet", "squeezenet"])
@pytest.mark.parametrize("apart", [False, True], ids=["one file", "weights in another file"])
def test_run_of_a_file_equals_onnxruntime(name: str, apart: bool, tmp_path: Path) -> None:
    """``nncost.run`` reads the weights that the file, or one beside it, holds."""
    weights = dict(_random_weights(load(str(light(name)), LoadOptions())))
    model = _fed_model(name, weights)
    graph, path = model.graph, tmp_path / "model.onnx"
    kept = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(kept)
    graph.initializer.extend(onnx.numpy_helper.from_array(array, each) for each, array in weights.items())
    onnx.save(model, path, save_as_external_data=apart, location="weights.bin")
    image = np.random.default_rng(1).standard_normal((1, 3, 224, 224), dtype=np.float32)
    ours = nncost.run(path, {kept[0].name: image})
    theirs = reference(onnx.load(path), {kept[0].name: image})
    assert np.std(theirs[-1]) > 1e-3 * np.abs(theirs[-1]).max() > 0
    for left, right in zip(ours.values(), theirs, strict=True):
        assert_close(left, right, 1e-4)
    if apart:
        (tmp_path / "weights.bin").unlink()
        assert nncost.count(path).forward.macs == FIGURES[name][1]
        with pytest.raises(nncost.NncostError, match="cannot be read"):
            nncost.run(path, image)


def _random_weights(model: Model) -> Iterator[tuple[str, np.ndarray]]:
    """He's initialisation; the second buffer of each batch norm is its variance, which is positive."""
    rng = np.random.default_rng(0)
    paths: set[str] = set()
    for parameter in model.graph.parameters:
        shape, role = parameter.tensor.shape, parameter.role
        if len(shape) >= 2:
            numbers = rng.standard_normal(shape, dtype=np.float32)
            numbers *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        elif role == "weight" or (role == "buffer" and parameter.path in paths):
            numbers = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            numbers = rng.normal(0, 0.1, shape).astype(np.float32)
        if role == "buffer":
            paths.add(parameter.path)
        yield parameter.tensor.name, numbers


def _fed_model(name: str, weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """The model with its weights as inputs, and the last softmax's operand as a second output."""
    model = onnx.load(light(name))
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    inputs += [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, a.shape) for n, a in weights.items()]
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in nodes for name in node.input} - weights.keys()
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.input[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    graph.initializer.extend(initializers)
    if nodes[-1].op_type == "Softmax":
        graph.output.append(onnx.ValueInfoProto(name=nodes[-1].input[0]))
    return model


def test_batch_multiplies() -> None:
    """The fixed shapes of ShuffleNet's 33 Reshape nodes follow the batch."""
    report = nncost.count(str(light("shufflenet")), batch=7)
    assert report.forward.macs == 7 * FIGURES["shufflenet"][1]
    assert report.parameters.total == FIGURES["shufflenet"][0]
    assert any("batch" in note for note in report.notes)


def test_symbolic_batch() -> None:
    report = nncost.count(str(light("resnet50")), batch="B")
    assert str(report.forward.macs) == "4089184256*B"


@pytest.mark.parametrize(("name", "first_layer"), [("resnet50", 118_013_952), ("squeezenet", 21_290_688)])
def test_backward_macs(name: str, first_layer: int) -> None:
    """Weight gradients cost the forward pass again; so do input gradients, except at the first layer.

    The first layers: 7·7·3·64·112² and 3·3·3·64·111².
    """
    report = nncost.count(str(light(name)), loss="cross_entropy", optimizer="sgd")
    forward = FIGURES[name][1]
    assert report.complete
    assert report.backward.macs == 2 * forward - first_layer
    assert report.backward.derivatives == FIGURES[name][0]
