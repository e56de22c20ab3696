"""The constants that nncost ships are those of the published kernel times, and they hold for models they did not see."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from benchmarks import kernels
from nncost.timing.kernels.constants import constants_from, shipped

DEVICES = list(kernels.DEVICES)


@pytest.mark.parametrize("device", DEVICES)
def test_the_shipped_constants_are_the_derived_ones(device: str) -> None:
    derived = tomllib.loads("\n".join(kernels.constants_toml(device)))["device"][device]
    assert constants_from(derived) == shipped()[device]


def test_kernels_of_models_that_were_left_out() -> None:
    """On the device whose kernels are predicted worst; ``python -m benchmarks.kernels`` prints all."""
    device = "a40"
    found = kernels.kernels(device).values()
    guesses = [kernels.left_out(each) for each in found]
    missed, roofline = (
        np.concatenate([kernels.errors(guess, each.seconds) for guess, each in zip(ways, found, strict=True)])
        for ways in (guesses, [each.roofline() for each in found])
    )
    assert np.median(missed) <= 0.08
    assert np.percentile(missed, 90) <= 0.25
    assert np.median(missed) < np.median(roofline) / 4


def test_the_table_is_whole() -> None:
    assert len(kernels.table()) == 6_318
    assert {row["gpu"] for row in kernels.table()} == set(DEVICES)
