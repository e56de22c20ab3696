"""What two front ends read costs the same and gives the same numbers, whichever of them reads it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.layer import STEP, Layer, Read, counts
from tests.frontends.layers import TABLE
from tests.frontends.reach import reached


@pytest.mark.parametrize("layer", TABLE, ids=str)
def test_equal_counts(layer: Layer, tmp_path: Path) -> None:
    """In inference, and in each phase of a training step."""
    read = Read(layer, tmp_path)
    for settings in ({"loss": "none"}, STEP):
        first, *others = [counts(read.report(front_end, **settings)) for front_end in layer.front_ends]
        assert others
        assert first["complete"]
        for other in others:
            assert other == first


@pytest.mark.parametrize("layer", TABLE, ids=str)
def test_equal_values(layer: Layer, tmp_path: Path) -> None:
    read = Read(layer, tmp_path)
    first, *others = [read.values(front_end) for front_end in layer.front_ends]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-6, atol=1e-7)


def test_every_composite_that_two_front_ends_reach_is_in_the_table() -> None:
    shown = defaultdict(set)
    for layer in TABLE:
        for composite in layer.composites:
            shown[composite].update(layer.front_ends)
    several = {composite: front_ends for composite, front_ends in reached().items() if len(front_ends) > 1}
    missing = {c: front_ends - shown[c] for c, front_ends in several.items() if front_ends - shown[c]}
    assert missing == {}
