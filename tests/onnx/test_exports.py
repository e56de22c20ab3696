"""Networks that PyTorch exports: complete, with the module's parameters and products, and its outputs."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

import nncost
from tests.onnx.networks import NETWORKS, export, made

pytest.importorskip("onnxscript")


@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_is_the_module(name: str, dynamo: bool, tmp_path: Path) -> None:
    network, module, path = NETWORKS[name], made(name), tmp_path / "net.onnx"
    x = network.input()
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(module, x, path, dynamo=dynamo, axes=network.axes)
        twin = nncost.count(module, (x,))
        expected = module(x)
    logging.disable(logging.NOTSET)
    report = nncost.count(str(path), tuple(x.shape))
    assert report.complete, report.unknown
    assert report.parameters.total == twin.parameters.total - network.merged
    assert report.forward.macs == twin.forward.macs
    ours = nncost.run(str(path), x.numpy())
    for left, right in zip(ours.values(), expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_allclose(left, right.detach().numpy(), rtol=1e-4, atol=1e-5)
    _is_open(str(path), network.axes, report, x.shape)


def _is_open(path: str, axes: dict[int, str], report: nncost.Report, shape: tuple[int, ...]) -> None:
    """As it comes, the file is a formula in its open sizes, and right at any of them."""
    formula = nncost.count(path)
    assert formula.complete
    symbols = {name: shape[axis] for axis, name in axes.items() if name in str(formula.forward.macs)}
    assert symbols
    bound = nncost.count(path, symbols={name: shape[axis] for axis, name in axes.items()})
    assert bound.forward.macs == report.forward.macs
