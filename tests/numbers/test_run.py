"""``nncost.run``: the outputs of the graph that is counted, and what is said where inputs do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nncost
from nncost.backends.torch import module_of
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions
from nncost.ir.builder import Builder
from tests.backends.networks import SPECS

SPEC = "784-16-16-10"


@pytest.mark.parametrize("spec", SPECS)
def test_outputs_equal_those_of_the_module_with_the_same_seed(spec: str) -> None:
    built = module_of(spec, LoadOptions(batch=3), seed=5)
    expected = built.module(*built.inputs)
    found = nncost.run(spec, tuple(x.numpy() for x in built.inputs), seed=5)["y"]
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_seeds_decide_parameters_and_inputs() -> None:
    first, again, other = (nncost.run(SPEC, seed=seed)["y"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert first.shape == (1, 10)
    x = np.random.default_rng(0).random((5, 784))
    assert (
        nncost.run(SPEC, x)["y"].shape == nncost.run(SPEC, "5x784")["y"].shape == nncost.run(SPEC, batch=5)["y"].shape
    )
    np.testing.assert_array_equal(nncost.run(SPEC, x)["y"], nncost.run(SPEC, {"x": torch.from_numpy(x)})["y"])
    np.testing.assert_array_equal(nncost.run("784-h-10", x, symbols={"h": 4})["y"], nncost.run("784-4-10", x)["y"])


def test_mode_and_dtype() -> None:
    x = np.ones((4, 100))
    dropped = nncost.run("100, dropout 0.5", x, mode="train")["y"]
    assert sorted(set(dropped.ravel().tolist())) == [0.0, 2.0]
    np.testing.assert_array_equal(nncost.run("100, dropout 0.5", x)["y"], x)
    assert [nncost.run("4-3", dtype=dtype)["y"].dtype for dtype in (None, "float64")] == ["float32", "float64"]


def test_graphs_and_their_names() -> None:
    b = Builder(dtype="float64")
    x, y = b.input((2,), name="left"), b.input((2,))
    graph = b.graph(b.map("add", x, y), b.map("sub", x, y))
    found = nncost.run(graph, {"left": np.array([3.0, 4.0]), "input.1": np.array([1, 2])}, dtype="float64")
    assert {name: value.tolist() for name, value in found.items()} == {"y.1": [4.0, 6.0], "y.2": [2.0, 2.0]}
    with pytest.raises(nncost.NncostError, match=r"no array for the input 'input\.1'"):
        nncost.run(graph, {"left": np.ones(2)})
    assert [value.shape for value in nncost.run(graph, {"left": np.ones(2), "input.1": (2,)}).values()] == [(2,), (2,)]


@pytest.mark.parametrize(
    ("source", "inputs", "settings", "fragments"),
    [
        (SPEC, {"z": np.ones((1, 784))}, {}, ["no input 'z'", "Its inputs: x 1x784"]),
        (SPEC, np.ones((2, 700)), {}, ["takes 2x784, received 2x700"]),
        (SPEC, np.ones(784), {}, ["takes 1x784, received 784", "The first axis is the batch"]),
        (SPEC, np.ones((2, 784)), {"batch": 3}, ["takes 3x784, received 2x784"]),
        (SPEC, (np.ones((1, 784)), np.ones(3)), {}, ["2 inputs for a network that takes 1"]),
        (SPEC, [[1.0, 2.0]], {}, ["an array or a shape", "received [1.0, 2.0]"]),
        (SPEC, np.ones((1, 784), complex), {}, ["takes float32, received complex128"]),
        ("6, embedding 9 8", np.full((1, 6), 1.5), {}, ["takes int64, received float64"]),
        ("6, embedding 9 8", np.full((1, 6), 9), {}, ["index 9 is out of bounds"]),
        (SPEC, None, {"batch": "B"}, ["size B is a symbol", "symbols={'B': 8}"]),
        ("784-h-10", None, {}, ["size h is a symbol"]),
        (SPEC, None, {"seed": -1}, ["seed must be a whole number of at least 0"]),
        (SPEC, None, {"dtype": "bfloat16"}, ["float64, float32, float16, received bfloat16"]),
        (SPEC, None, {"mode": "evil"}, ["Accepted: train, inference"]),
        (nn.Linear(2, 2), None, {}, ["cannot run a torch.nn.modules.linear.Linear", "an ONNX file, a Graph"]),
        ("package.module:build", None, {}, ["run in their own framework", "an ONNX file"]),
        ("1000000-1000000", None, {}, ["bytes of memory"]),
        ("8-4", torch.zeros(2, 8, dtype=torch.bfloat16), {}, ["is no array of numbers"]),
        ("h0-h1-...-hl", None, {}, ["A family has any number of widths"]),
        ("1x99999999999999999999, flatten", None, {}, ["too little memory"]),
        ("3x9999999999x9999999999, maxpool 2", None, {}, ["too little memory"]),
    ],
)
def test_what_does_not_fit_is_told(source: Any, inputs: Any, settings: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(nncost.NncostError) as raised:
        nncost.run(source, inputs, **settings)
    for fragment in fragments:
        assert fragment in str(raised.value)


def test_files_without_a_graph_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", w=np.ones((2, 3)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for path, fragment in ((tmp_path / "weights.npz", "holds no graph to run"), (tmp_path, "in their own framework")):
        with pytest.raises(nncost.NncostError, match=fragment):
            nncost.run(path)


def test_the_graph_that_runs_is_the_one_that_is_counted() -> None:
    """As many products as the count says, seen from the shapes of its contractions."""
    graph = registry.load(SPEC, LoadOptions()).graph
    assert nncost.run(graph)["y"].tolist() == nncost.run(SPEC)["y"].tolist()
    assert nncost.count(graph).forward.mul == nncost.count(SPEC).forward.mul == 12_960
