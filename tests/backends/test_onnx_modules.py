"""ONNX files as modules: with the file's own numbers they give what onnxruntime gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from nncost import count
from nncost.backends.torch import module_of
from nncost.errors import SourceError
from nncost.frontends.model import LoadOptions
from tests.onnx.examples import EXAMPLES, Example
from tests.onnx.examples.example import drawn, expected_of
from tests.onnx.models import SHIPPED, assert_close, light, make_model, node, saved
from tests.onnx.test_light import FIGURES
from tests.onnx.test_shipped_nodes import UNKNOWN, WITH_ARRAYS

BY_DATA = {"NonZero", "Compress", "Unique", "NonMaxSuppression"}
NUMBERED = [pytest.param(example, id=f"{number}-{example.name}") for number, example in enumerate(EXAMPLES)]
SHIPPED_MODELS = [
    path
    for folder in ("pytorch-converted", "pytorch-operator", "simple")
    for path in sorted((SHIPPED / folder).glob("*/model.onnx"))
    if path.parent.name not in UNKNOWN | WITH_ARRAYS
]


def outputs(path: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
    built = module_of(path, LoadOptions())
    with torch.no_grad():
        found = built.module(*(torch.from_numpy(np.array(array)) for array in inputs))
    several = found if isinstance(found, tuple) else (found,)
    return [np.asarray(value) for value in several]


@pytest.mark.parametrize("example", NUMBERED)
def test_operations(example: Example, tmp_path: Path) -> None:
    """What a module computes; sizes that data decide are those of a run, not of a module."""
    proto, rng = example.model(), np.random.default_rng(2)
    if example.reference == "shape" or not BY_DATA.isdisjoint(each.op_type for each in proto.graph.node):
        pytest.skip("its numbers are drawn, or its size is decided by data")
    if example.name == "MaxPool(int8)":
        pytest.skip("PyTorch pools no whole numbers")
    feeds = {name: drawn(rng, example, name) for name in example.inputs}
    expected = expected_of(example, feeds)
    for ours, theirs in zip(outputs(saved(proto, tmp_path), list(feeds.values())), expected, strict=True):
        assert_close(ours, theirs, 2e-5)


@pytest.mark.parametrize("path", SHIPPED_MODELS, ids=lambda path: path.parent.name)
def test_shipped_models(path: Path) -> None:
    folder = path.parent / "test_data_set_0"
    inputs, expected = ([_tensor(file) for file in sorted(folder.glob(f"{kind}_*.pb"))] for kind in ("input", "output"))
    if not expected:
        pytest.skip("the file comes without outputs")
    for ours, theirs in zip(outputs(str(path), inputs), expected, strict=True):
        assert_close(ours, theirs, 1e-4)


def _tensor(file: Path) -> np.ndarray:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.read_bytes())
    return numpy_helper.to_array(tensor)


@pytest.mark.parametrize("name", ["resnet50", "squeezenet", "shufflenet"])
def test_image_networks(name: str) -> None:
    """With the file's weights, against onnxruntime; and counted again as a module, at a batch of its own."""
    path, rng = str(light(name)), np.random.default_rng(1)
    built = module_of(path, LoadOptions())
    learned = [parameter for parameter in built.graph.parameters if parameter.role != "buffer"]
    assert sum(p.tensor.elements for p in learned) == FIGURES[name][0]
    report = count(built.module, built.inputs)
    assert (report.complete, report.parameters.total, report.forward.macs) == (True, *FIGURES[name])
    image = rng.standard_normal((2, 3, 224, 224), dtype=np.float32)
    ours = [built.module(torch.from_numpy(image[i : i + 1])).detach().numpy() for i in range(2)]
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    for row, found in zip(image, ours, strict=True):
        assert_close(found, session.run(None, {session.get_inputs()[0].name: row[None]})[0], 1e-4)
    with torch.no_grad():
        assert_close(built.module(torch.from_numpy(image)).numpy(), np.concatenate(ours), 1e-4)


def test_values_are_those_of_the_file(tmp_path: Path) -> None:
    weights, bias = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([5, 7], dtype=np.float32)
    proto = make_model([node("Gemm", "x w b")], {"x": (4, 3)}, constants={"w": weights, "b": bias})
    built = module_of(saved(proto, tmp_path), LoadOptions())
    held = {parameter.tensor.name: value for parameter, value in built.values().items()}
    np.testing.assert_array_equal(held["w"], weights)
    (layer,) = built.layers
    # The layer keeps its weights as PyTorch's own layers do, the other way round than the file.
    np.testing.assert_array_equal(built.module.get_submodule(layer).weight.detach().numpy(), weights.T)
    assert type(built.module.get_submodule(layer)) is torch.nn.Linear


def test_shared_weights_are_one_parameter(tmp_path: Path) -> None:
    """An embedding whose table is also the last layer's weights."""
    nodes = [node("Gather", "w i0", "e"), node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "e t")]
    proto = make_model(
        nodes,
        {"i0": (2, 3)},
        constants={"w": np.random.default_rng(0).normal(size=(5, 4))},
        types={"i0": onnx.TensorProto.INT64},
    )
    built = module_of(saved(proto, tmp_path), LoadOptions())
    assert sum(p.numel() for p in built.module.parameters()) == 20
    built.module(*built.inputs).sum().backward()
    (parameter,) = built.module.parameters()
    twin = parameter.detach().clone().requires_grad_()
    (torch.nn.functional.embedding(built.inputs[0], twin) @ twin.T).sum().backward()
    assert torch.allclose(parameter.grad, twin.grad)


def test_an_unknown_operation_names_its_layer(tmp_path: Path) -> None:
    proto = make_model(
        [node("Relu", "x", "h"), node("Mystery", "h", name="squeeze", domain="com.example")], {"x": (2, 3)}
    )
    with pytest.raises(SourceError, match=r"squeeze: com\.example\.Mystery can be counted but not run"):
        module_of(saved(proto, tmp_path), LoadOptions())


def test_weights_that_the_file_fills(tmp_path: Path) -> None:
    """Files without weights make them where they need them, from a shape and a number."""
    fill = onnx.helper.make_tensor("", onnx.TensorProto.FLOAT, [1], [0.5])
    nodes = [node("ConstantOfShape", "s", "w", value=fill), node("MatMul", "x w")]
    path = saved(make_model(nodes, {"x": (2, 3)}, constants={"s": np.array([3, 4])}), tmp_path)
    values: dict[str, Any] = {p.tensor.name: v for p, v in module_of(path, LoadOptions()).values().items()}
    assert values["w"].shape == (3, 4)
    assert (values["w"] == 0.5).all()


def test_recurrent_weights_are_kept_in_the_layers_order(tmp_path: Path) -> None:
    """No step reorders gates: ONNX's order is only that of the file, there and back."""
    from nncost.backends.onnx import onnx_bytes

    spec = module_of("5x3, lstm 4 bidirectional", LoadOptions(batch=2), seed=4)
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_bytes(spec.graph, spec.values()))
    read = module_of(str(path), LoadOptions(batch=2))
    with torch.no_grad():
        assert torch.allclose(read.module(*spec.inputs), spec.module(*spec.inputs), atol=1e-6)
    names = {parameter.tensor.name for parameter in read.graph.parameters}
    assert names == {"lstm.1.W", "lstm.1.R", "lstm.1.B"}
    assert sum(p.numel() for p in read.module.parameters()) == count("5x3, lstm 4 bidirectional").parameters.total
    calls = repr(read.module)
    assert "run" in calls
    assert "split" not in calls
    assert "concat" not in calls
    written = onnx.load(path).graph.initializer
    for parameter, value in read.values().items():
        stored = next(t for t in written if t.name == parameter.tensor.name)
        np.testing.assert_array_equal(value, numpy_helper.to_array(stored))
