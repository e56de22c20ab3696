"""Networks that onnxruntime's own quantizers make smaller: as many parameters and products as before, of fewer bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import nncost
from tests.onnx.networks import NETWORKS, export, made

quantization = pytest.importorskip("onnxruntime.quantization")


class OneInput(quantization.CalibrationDataReader):
    """The input that ranges are measured on."""

    def __init__(self, values: np.ndarray) -> None:
        self.given: Iterator[dict[str, np.ndarray]] = iter([{"x": values}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.given, None)


def _dynamic(source: str, target: str, values: np.ndarray) -> None:
    quantization.quantize_dynamic(source, target)


def _static(form: Any) -> Callable[[str, str, np.ndarray], None]:
    return lambda source, target, values: quantization.quantize_static(
        source, target, OneInput(values), quant_format=form
    )


def _four_bits(source: str, target: str, values: np.ndarray) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
    quantizer.process()
    onnx.save(getattr(quantizer.model, "model", quantizer.model), target)


QUANTIZERS: dict[str, Callable[[str, str, np.ndarray], None]] = {
    "dynamic": _dynamic, "qdq": _static(quantization.QuantFormat.QDQ),
    "operators": _static(quantization.QuantFormat.QOperator), "4 bits": _four_bits,
}  # fmt: skip
WIDER = {("mlp", "4 bits"), ("cnn", "4 bits"), ("detector", "4 bits"), ("gpt2", "4 bits")}
"""Networks without a product that is quantized so: their layers are Gemm and Conv, and an output layer that is tied."""


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gru", "encoder", "gpt2", "llama", "detector"])
def test_a_quantized_network_has_the_parameters_and_products_of_its_twin(
    name: str, quantizer: str, tmp_path: Path
) -> None:
    source, target = tmp_path / "float.onnx", tmp_path / "small.onnx"
    x = NETWORKS[name].input()
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(made(name), x, source, dynamo=name == "llama", axes=None)
        QUANTIZERS[quantizer](str(source), str(target), x.numpy())
    logging.disable(logging.NOTSET)
    twin, ours = nncost.count(str(source)), nncost.count(str(target))
    assert ours.complete, ours.unknown
    assert (ours.parameters.total, ours.forward.macs) == (twin.parameters.total, twin.forward.macs)
    assert (ours.parameters.bytes < twin.parameters.bytes) == ((name, quantizer) not in WIDER)
