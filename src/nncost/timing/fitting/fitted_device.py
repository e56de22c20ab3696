"""Constants of products from a user's times: fitted, compared with those before, and on rows that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nncost.errors import OptionError
from nncost.records import record, replace
from nncost.timing.devices.catalogue import catalogue
from nncost.timing.devices.device import Device
from nncost.timing.fitting.columns import columns_of, constants_from_numbers, numbers_of
from nncost.timing.fitting.times import TimedProduct
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.constants import KernelConstants, ProductConstants

SCHEMA = "nncost.devices.fit/1"
HALF = ("float16", "bfloat16")
"""Types of which one stands for the other: their rates are the same on every device of the catalogue that has both."""
MOST_PARTS = 20
"""Rows are left out one by one, or in so many parts where there are more."""
_MEDIAN, _NINETY = 50, 90
_DIGITS = 4


@record
class Errors:
    """Relative errors of predicted seconds: 0.1 is ten per cent."""

    median: float
    ninetieth: float


@record
class FittedDevice:
    """A device with constants of its own, and the errors of its rows before, after, and left out of the fit."""

    device: Device
    like: str
    rows: int
    parts: int
    before: Errors
    after: Errors
    left_out: Errors
    start: ProductConstants

    @property
    def constants(self) -> ProductConstants:
        """The constants that were fitted."""
        assert self.device.kernels is not None
        return self.device.kernels.products

    def to_dict(self) -> dict[str, Any]:
        """As ``nncost devices fit --json`` prints it."""
        return {
            "schema": SCHEMA, "name": self.device.name, "like": self.like, "rows": self.rows, "parts_left_out": self.parts,
            "errors": {name: {"median": each.median, "ninetieth": each.ninetieth} for name, each in
                       (("before", self.before), ("fitted", self.after), ("left_out", self.left_out))},
            "constants": {name: list(pair) for name, pair in constants_by_name(self.start, self.constants).items()},
            "source": "" if self.device.kernels is None else self.device.kernels.source,
        }  # fmt: skip


def constants_by_name(before: ProductConstants, after: ProductConstants) -> Mapping[str, tuple[float, float]]:
    """Each constant before and after, by its name."""
    names = ("launch_seconds", "bandwidth_share", "wave_seconds", "split_seconds")
    tiles = {f"tile_share_{size}": (share, after.tile_shares[size]) for size, share in before.tile_shares.items()}
    return {name: (getattr(before, name), getattr(after, name)) for name in names} | tiles


def fit_device(like: Device, name: str, times: Sequence[TimedProduct], source: str) -> FittedDevice:
    """A device as ``like``, called ``name``, whose constants are those of some times.

    Raise OptionError if nothing is known of its kernels to start from.
    """
    kernels = start_of(like)
    columns = columns_of(times, like, kernels)
    found = constants_from_numbers(columns.fitted(), kernels.products)
    best = [_rounded(value) for value in numbers_of(found)]
    parts = min(len(times), MOST_PARTS)
    guesses = (columns.seconds(numbers_of(kernels.products)), columns.seconds(best), columns.left_out(parts))
    before, after, left_out = (_errors(guess, columns.measured) for guess in guesses)
    dtypes = tuple(dict.fromkeys(each.dtype for each in times))
    own = replace(
        kernels, devices=(name,), dtypes=tuple(dict.fromkeys((*dtypes, *HALF))) if set(dtypes) & set(HALF) else dtypes,
        products=constants_from_numbers(best, kernels.products), spread=_rounded(left_out.ninetieth), source=source, like=like.name,
    )  # fmt: skip
    device = _named(like, name, own, source)
    return FittedDevice(device, like.name, len(times), parts, before, after, left_out, kernels.products)


def start_of(like: Device) -> KernelConstants:
    """The constants that a fit starts from. Raise OptionError if a device has none."""
    found = next(filter(None, (constants_of(like, dtype) for dtype in HALF)), None) or like.kernels
    if found is None:
        known = ", ".join(device.name for device in catalogue() if any(constants_of(device, dtype) for dtype in HALF))
        raise OptionError(
            f"a fit starts from constants of kernels, and none are known for {like.name}.", hint=f"Known for: {known}."
        )
    return found


def _named(like: Device, name: str, kernels: KernelConstants, source: str) -> Device:
    own = name == like.name
    title = like.title if own else f"{name}, fitted as {like.title}"
    return replace(
        like, name=name, title=title, aliases=like.aliases if own else (), kernels=kernels,
        note=f"constants of products: {source}",
    )  # fmt: skip


def _errors(guess: np.ndarray, measured: np.ndarray) -> Errors:
    sizes = np.abs(guess / measured - 1)
    return Errors(float(np.percentile(sizes, _MEDIAN)), float(np.percentile(sizes, _NINETY)))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
