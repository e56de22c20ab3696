"""Random shapes and attributes: outputs are those of onnxruntime, or of the standard's own evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncost
from tests.onnx.examples.example import drawn
from tests.onnx.models import assert_close, evaluated, reference, saved
from tests.onnx.random_operators import FAMILIES

CASES = 40


@pytest.mark.parametrize("family", FAMILIES)
def test_random_shapes_and_attributes(family: str, tmp_path: Path) -> None:
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        example = FAMILIES[family](rng)
        model = example.model()
        feeds = {name: drawn(rng, example, name) for name in example.inputs}
        compute = evaluated if example.reference == "onnx" else reference
        ours, theirs = nncost.run(saved(model, tmp_path), feeds), compute(model, feeds)
        for left, right in zip(ours.values(), theirs, strict=True):
            assert left.dtype == right.dtype, (seed, model.graph.node)
            assert left.shape == right.shape, (seed, left.shape, right.shape, model.graph.node)
            try:
                assert_close(left, right, 1e-5)
            except AssertionError as error:
                raise AssertionError(f"{family} {seed}: {model.graph.node} {example.inputs}") from error
