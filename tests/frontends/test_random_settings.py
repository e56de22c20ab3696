"""Random settings of activations, windows and paddings: PyTorch and ONNX count and compute the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.frontends.layer import STEP, Function, Layer, Read, counts
from tests.onnx.models import node

SETTINGS = settings(max_examples=30, deadline=None)
number = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def assert_agreement(layer: Layer, folder: Path) -> None:
    """Equal counts in inference and in training, equal values."""
    read = Read(layer, folder)
    for each in ({"loss": "none"}, STEP):
        assert counts(read.report("torch", **each)) == counts(read.report("onnx", **each))
    np.testing.assert_allclose(read.values("torch"), read.values("onnx"), rtol=1e-6, atol=1e-7)


@st.composite
def activations(draw: st.DrawFn) -> Layer:
    a = draw(number)
    forms = {
        "leaky_relu": (node("LeakyRelu", "x", alpha=a), lambda: nn.LeakyReLU(a)),
        "elu": (node("Elu", "x", alpha=a), lambda: nn.ELU(a)),
        "celu": (node("Celu", "x", alpha=a), lambda: nn.CELU(a)),
        "threshold": (node("ThresholdedRelu", "x", alpha=a), lambda: nn.Threshold(a, 0.0)),
        "hardshrink": (node("Shrink", "x", lambd=a), lambda: nn.Hardshrink(a)),
        "softshrink": (node("Shrink", "x", lambd=a, bias=a), lambda: nn.Softshrink(a)),
    }
    made, module = forms[draw(st.sampled_from(sorted(forms)))]
    return Layer("activation", (), (2, draw(st.integers(1, 5))), None, [made], module, bounds=(-3.0, 3.0))


@given(layer=activations())
@SETTINGS
def test_activations(folder: Path, layer: Layer) -> None:
    assert_agreement(layer, folder)


@st.composite
def poolings(draw: st.DrawFn) -> Layer:
    """A window that meets the input, padded by half of itself at most."""
    axes = draw(st.integers(1, 2))
    kernel, stride = ([draw(st.integers(1, 3)) for _ in range(axes)] for _ in range(2))
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    x = (2, 3, *(draw(st.integers(3, 8)) for _ in range(axes)))
    ceil, include = draw(st.booleans()), draw(st.booleans())
    given_ = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2, "ceil_mode": int(ceil)}
    options = (tuple(kernel), tuple(stride), tuple(padding))
    if draw(st.booleans()):
        kind = {1: nn.MaxPool1d, 2: nn.MaxPool2d}[axes]
        return Layer("maxpool", (), x, None, [node("MaxPool", "x", **given_)], lambda: kind(*options, ceil_mode=ceil))
    average = {1: nn.AvgPool1d, 2: nn.AvgPool2d}[axes]
    made = node("AveragePool", "x", count_include_pad=int(include), **given_)
    return Layer("avgpool", (), x, None, [made], lambda: average(*options, ceil_mode=ceil, count_include_pad=include))


@given(layer=poolings())
@SETTINGS
def test_poolings(folder: Path, layer: Layer) -> None:
    assert_agreement(layer, folder)


@st.composite
def convolutions(draw: st.DrawFn) -> Layer:
    groups = draw(st.sampled_from([1, 2]))
    kernel, stride, dilation = ([draw(st.integers(1, most)) for _ in range(2)] for most in (3, 3, 2))
    padding = [draw(st.integers(0, 2)) for _ in range(2)]
    x = (2, 4, draw(st.integers(5, 8)), draw(st.integers(5, 8)))
    options = (4, 6, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), groups)
    made = node("Conv", "x w b", strides=stride, pads=padding * 2, dilations=dilation, group=groups)
    return Layer(
        "conv",
        (),
        x,
        None,
        [made],
        lambda: nn.Conv2d(*options),
        lambda state: {"w": state["weight"], "b": state["bias"]},
    )


@given(layer=convolutions())
@SETTINGS
def test_convolutions(folder: Path, layer: Layer) -> None:
    assert_agreement(layer, folder)


@given(exponent=st.sampled_from([-4, -3, -2, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4, 5]))
@SETTINGS
def test_powers(folder: Path, exponent: float) -> None:
    constants = {"e": np.array(exponent, dtype=np.float32)}
    layer = Layer(
        "power", (), (2, 3), None, [node("Pow", "x e")], lambda: Function(lambda x: torch.pow(x, exponent)),
        lambda state: constants, bounds=(0.1, 0.9),
    )  # fmt: skip
    assert_agreement(layer, folder)
