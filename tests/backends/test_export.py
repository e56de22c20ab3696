"""Written ONNX files: checked by onnx, run by onnxruntime at several batches, read back with the same counts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from nncost import count
from nncost.backends.initial_values import initialise
from nncost.backends.onnx import names_of, onnx_bytes, read_safetensors, safetensors_bytes
from nncost.errors import MissingExtraError, ShapeError, SourceError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.ir.execute import execute
from nncost.ir.graph import Graph
from tests.backends.networks import SPECS
from tests.onnx.examples import EXAMPLES
from tests.onnx.models import saved


def graph_of(spec: str, **options: Any) -> Graph:
    return registry.load(spec, LoadOptions(**options)).graph


def random_values(graph: Graph) -> dict[Any, np.ndarray]:
    """Numbers like trained ones: no zeros and ones; variances are positive."""
    rng = np.random.default_rng(0)
    return {
        p: (
            rng.uniform(0.2, 0.8, v.shape)
            if p.role == "buffer" or v.dtype.name.startswith("uint")
            else rng.normal(size=v.shape) / 2
        ).astype(v.dtype)
        for p, v in initialise(graph).items()
    }


def session(blob: bytes) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 4, 1
    return onnxruntime.InferenceSession(blob, settings, providers=["CPUExecutionProvider"])


def example_feeds(graph: Graph) -> dict[Any, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        t: rng.integers(0, 2, t.shape) if t.dtype == "int64" else rng.normal(size=t.shape).astype(t.dtype)
        for t in graph.inputs
    }


@pytest.mark.parametrize("spec", SPECS)
def test_onnxruntime_gives_what_the_graph_gives(spec: str) -> None:
    """From a graph built for training, at batches it was not built for."""
    trained = graph_of(spec, training=True)
    values = random_values(trained)
    blob = onnx_bytes(trained, values, name="net")
    onnx.checker.check_model(onnx.load_model_from_string(blob), full_check=True)
    running = session(blob)
    for batch in (1, 3):
        graph = graph_of(spec, batch=batch)
        feeds = example_feeds(graph)
        numbers = {p.tensor: value for p, value in zip(graph.parameters, values.values(), strict=True)}
        expected = execute(graph, feeds | numbers, dtype="float32")
        results = running.run(None, {i.name: a for i, a in zip(running.get_inputs(), feeds.values(), strict=True)})
        for found, tensor in zip(results, graph.outputs, strict=True):
            assert found.shape == expected[tensor].shape
            largest = max(1.0, float(np.abs(expected[tensor]).max()))
            np.testing.assert_allclose(found, expected[tensor], rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("spec", SPECS)
def test_counts_and_numbers_after_reading_it_back(spec: str, tmp_path: Path) -> None:
    graph = graph_of(spec)
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_bytes(graph, random_values(graph)))
    ours, theirs = count(spec, batch=3, loss="none", mode="inference"), count(str(path), batch=3)
    assert theirs.complete, theirs.unknown
    assert theirs.forward.macs == ours.forward.macs
    assert theirs.parameters.total == ours.parameters.total
    assert theirs.parameters.buffers == ours.parameters.buffers


@pytest.mark.parametrize("spec", ["784-16-10", "3x8x8, conv 4 3, relu, flatten, dense 5", "7x4, lstm 3, dense 2"])
def test_the_batch_is_a_symbol(spec: str) -> None:
    graph = graph_of(spec)
    model = onnx.load_model_from_string(onnx_bytes(graph, random_values(graph)))
    for described in (*model.graph.input, *model.graph.output):
        assert described.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_an_onnx_file_can_be_written_again(tmp_path: Path) -> None:
    """What the front end reads, the writer writes, or refuses with what it is that ONNX has no form of."""
    written, refused = 0, 0
    for example in EXAMPLES:
        path = saved(example.model(), tmp_path)
        graph = registry.load(path, LoadOptions()).graph
        values = random_values(graph)
        learned = {p: "float" in p.tensor.dtype for p in values}
        values = {p: np.abs(v) + np.float32(0.1) if learned[p] else np.round(np.abs(v)) for p, v in values.items()}
        feeds = example_feeds(graph)
        feeds = {t: np.asarray(np.abs(v)) for t, v in feeds.items()}
        with np.errstate(all="ignore"):  # not every function is defined for every number: NaN in both
            expected = execute(graph, feeds | {p.tensor: v for p, v in values.items()}, dtype="float32")
        try:
            blob = onnx_bytes(graph, values)
        except SourceError as error:
            assert error.message.endswith("is not written to ONNX.")
            refused += 1
            continue
        running = session(blob)
        given = {i.name for i in running.get_inputs()}
        results = running.run(None, {t.name: a for t, a in feeds.items() if t.name in given})
        for found, tensor in zip(results, graph.outputs, strict=True):
            np.testing.assert_allclose(found, expected[tensor], rtol=1e-4, atol=1e-5, err_msg=example.name)
        written += 1
    assert written + refused == len(EXAMPLES)
    assert refused < len(EXAMPLES) / 5


def test_operators_are_onnxs_own() -> None:
    graph = graph_of("3x8x8, conv 4 3 pad=1, batchnorm, relu, maxpool 2, global_avgpool, dense 5, softmax")
    model = onnx.load_model_from_string(onnx_bytes(graph, random_values(graph)))
    assert [n.op_type for n in model.graph.node] == [
        "Conv", "BatchNormalization", "Relu", "MaxPool", "GlobalAveragePool", "Flatten", "Gemm", "Softmax", "Identity",
    ]  # fmt: skip
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"conv.1.weight", "conv.1.bias", "batchnorm.1.running_var", "dense.1.weight"} <= names
    assert model.opset_import[0].version == 18


def test_double_precision() -> None:
    graph = graph_of("4-3-2", dtype="float64", batch=2)
    values, feeds = random_values(graph), example_feeds(graph)
    expected = execute(graph, feeds | {p.tensor: v for p, v in values.items()})
    (found,) = session(onnx_bytes(graph, values)).run(None, {"x": feeds[graph.inputs[0]]})
    np.testing.assert_allclose(found, expected[graph.outputs[0]], rtol=1e-12)


def test_missing_values_are_told() -> None:
    graph = graph_of("4-3-2")
    values = random_values(graph)
    values.pop(graph.parameters[1])
    with pytest.raises(SourceError, match=r"dense\.1\.bias has no values of its shape \(3,\)"):
        onnx_bytes(graph, values)


def test_an_unknown_operation_is_told(tmp_path: Path) -> None:
    from tests.onnx.models import make_model, node

    graph = registry.load(saved(make_model([node("ImageDecoder", "x")], {"x": (2, 3)}), tmp_path), LoadOptions()).graph
    with pytest.raises(SourceError, match="ImageDecoder is not written to ONNX"):
        onnx_bytes(graph, {})


# ------------------------------------------------------------------- safetensors
@pytest.mark.parametrize("spec", SPECS)
def test_safetensors_there_and_back(spec: str, tmp_path: Path) -> None:
    graph = graph_of(spec)
    values, path = random_values(graph), tmp_path / "net.safetensors"
    path.write_bytes(safetensors_bytes(graph, values, metadata={"spec": spec}))
    read = read_safetensors(graph_of(spec), path)
    assert len(read) == len(values)
    for before, after in zip(values.values(), read.values(), strict=True):
        np.testing.assert_array_equal(before, after)
    if values:
        ours, theirs = count(spec, loss="none").parameters, count(str(path)).parameters
        assert theirs.total + theirs.buffers == ours.total + ours.buffers


def test_names_in_a_safetensors_file() -> None:
    names = list(names_of(graph_of("4x3, lstm 5 bidirectional")).values())
    assert names[:2] == ["lstm.1.weight_ih", "lstm.1.weight_hh"]
    assert len(set(names)) == len(names) == 8


def test_weights_of_another_network(tmp_path: Path) -> None:
    graph, path = graph_of("4-3-2"), tmp_path / "net.safetensors"
    path.write_bytes(safetensors_bytes(graph, random_values(graph)))
    with pytest.raises(ShapeError, match=r"dense\.1\.weight has the shape \(3, 4\), the network's is \(3, 5\)"):
        read_safetensors(graph_of("5-3-2"), path)
    with pytest.raises(SourceError, match=r"it lacks 'dense\.3\.bias' and 1 more differ"):
        read_safetensors(graph_of("4-3-2-2"), path)
    with pytest.raises(SourceError, match=r"the network has no 'dense\.2\.bias'"):
        read_safetensors(graph_of("4-3"), path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"not a file of tensors"])
def test_damaged_weights(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not a safetensors file, or is cut short"):
        read_safetensors(graph_of("4-3"), path)
    with pytest.raises(SourceError, match="there is no file"):
        read_safetensors(graph_of("4-3"), tmp_path / "absent.safetensors")


@pytest.mark.parametrize(("package", "extra"), [("onnx", "onnx"), ("safetensors", "weights")])
def test_missing_packages(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of("4-3")
    values = random_values(graph)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    write = onnx_bytes if package == "onnx" else safetensors_bytes
    with pytest.raises(MissingExtraError, match=rf"nncost\[{extra}\]"):
        write(graph, values)
