"""Timed products as columns, and their seconds by constants in the order of the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nncost.counting.products import Product
from nncost.ir.dtypes import BITS_PER_BYTE, DTYPE_BITS
from nncost.records import record
from nncost.timing.devices.device import Device
from nncost.timing.fitting.times import TimedProduct
from nncost.timing.kernels.constants import KernelConstants, ProductConstants
from nncost.timing.kernels.fit import fitted
from nncost.timing.kernels.seconds import product_seconds


@record(eq=False)
class Columns:
    """Products with their bytes for each element, the peaks of their types and the seconds ``measured``."""

    product: Any
    bytes: Any
    peaks: Any
    measured: Any
    kernels: KernelConstants
    bandwidth: float

    def only(self, which: Any) -> Columns:
        """Some rows."""
        product = Product(*(size[which] for size in self.product))
        bytes_, peaks, measured = (each[which] for each in (self.bytes, self.peaks, self.measured))
        return Columns(product, bytes_, peaks, measured, self.kernels, self.bandwidth)

    def seconds(self, numbers: Sequence[float]) -> np.ndarray:
        """Seconds of each row by constants in the order of the search."""
        constants = constants_from_numbers(numbers, self.kernels.products)
        units = self.kernels.units
        return np.asarray(
            product_seconds(self.product, self.bytes, constants, units, self.peaks, self.bandwidth, np.minimum)
        )

    def fitted(self) -> list[float]:
        """The constants whose error over the rows is least, from those of the kernels on."""
        return fitted(self.seconds, self.measured, numbers_of(self.kernels.products))

    def left_out(self, parts: int) -> np.ndarray:
        """Seconds of each row by constants that were fitted to the rows of other parts."""
        count = len(self.measured)
        seconds = np.zeros(count)
        for part in range(parts):
            mine = np.arange(count) % parts == part
            seconds[mine] = self.only(mine).seconds(self.only(~mine).fitted())
        return seconds


def columns_of(times: Sequence[TimedProduct], device: Device, kernels: KernelConstants) -> Columns:
    """Times on a device as columns."""
    sizes = zip(*(each.product for each in times), strict=True)
    return Columns(
        Product(*(np.array(size, float) for size in sizes)),
        np.array([DTYPE_BITS[each.dtype] / BITS_PER_BYTE for each in times]),
        np.array([device.peaks[each.dtype] for each in times]),
        np.array([each.seconds for each in times]),
        kernels,
        device.bandwidth_bytes_per_second,
    )


def numbers_of(constants: ProductConstants) -> list[float]:
    """Constants in the order of the search."""
    first = (constants.launch_seconds, constants.bandwidth_share, constants.wave_seconds, constants.split_seconds)
    return [*first, *constants.tile_shares.values()]


def constants_from_numbers(numbers: Sequence[float], like: ProductConstants) -> ProductConstants:
    """Constants for the tiles of others; no tile is faster than the peak."""
    launch, share, wave, split, *tiles = numbers
    shares = (min(tile, 1.0) for tile in tiles)
    return ProductConstants(launch, share, wave, split, dict(zip(like.tile_shares, shares, strict=True)))
