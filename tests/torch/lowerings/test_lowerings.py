"""Every lowering against PyTorch: the same numbers, shapes and types, and counts that a run confirms."""

from __future__ import annotations

import pytest

from nncost.ir import ops
from tests.torch.lowerings import complexes, elementwise, layers, products, shaping, vision
from tests.torch.lowerings.running import Sample, assert_same_numbers, assert_same_types, assert_self_counted, lower

SAMPLES = (
    *complexes.SAMPLES,
    *elementwise.SAMPLES,
    *products.SAMPLES,
    *shaping.SAMPLES,
    *layers.SAMPLES,
    *vision.SAMPLES,
)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_numbers(sample: Sample) -> None:
    lowered = lower(sample)
    assert not lowered.opaque
    assert_same_types(sample, lowered)
    assert_same_numbers(sample, lowered)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.has_floats and s.counted], ids=str)
def test_counts(sample: Sample) -> None:
    lowered = lower(sample)
    if ops.Sort in lowered.has:
        pytest.skip("sorting takes as many comparisons as the data ask for")
    assert_self_counted(lowered)
