"""Seconds of a product and of a kernel over rows, from the constants of their device.

Every function takes numbers, or NumPy columns of them with ``least=numpy.minimum``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from nncost.counting.products import Product
from nncost.timing.kernels.constants import ProductConstants, RowConstants
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

TILES = ((64, 64), (128, 128), (128, 256), (256, 128))
"""Rows and columns of the output that one unit works out at once."""
SPLITS = (1, 2, 4, 8)
"""Parts that the sums of a product with few tiles are cut into, so that more units have work."""
SMALL_GATHER = 16
"""PyTorch looks up so few rows one after the other (``indexSelectSmallIndex`` of its CUDA kernels)."""
_NO_TIME = 1e-300
"""Keeps two times of nothing apart from a division by zero."""
_SHARPNESS = 4
"""How sharply the longer of two waits hides the shorter one."""


def arithmetic_seconds(
    product: Product, constants: ProductConstants, units: int, peak: float, least: Callable[..., Any] = min
) -> Any:
    """Seconds of a product's arithmetic under the best of some tiles, at a ``peak`` in flops a second of the device."""
    m, k, n, copies = product
    ways = []
    for rows, columns in TILES:
        flops = FLOPS_PER_PRODUCT * rows * columns * k
        rate = peak / units * constants.tile_shares[rows * columns]
        tiles = copies * _parts(m, rows) * _parts(n, columns)
        for parts in SPLITS:
            wave = flops / parts / rate + constants.wave_seconds
            ways.append(_parts(tiles * parts, units) * wave + (constants.split_seconds if parts > 1 else 0.0))
    return reduce(least, ways)


def product_bytes(product: Product, element_bytes: float) -> Any:
    """Bytes of both factors and the result."""
    m, k, n, copies = product
    return element_bytes * copies * (m * k + k * n + m * n)


def together(first: Any, second: Any) -> Any:
    """Seconds of two things that go on at once: those of the longer one, and more where both take about as long."""
    whole = first + second + _NO_TIME
    return whole * ((first / whole) ** _SHARPNESS + (second / whole) ** _SHARPNESS) ** (1 / _SHARPNESS)


def product_seconds(
    product: Product, element_bytes: float, constants: ProductConstants, units: int, peak: float, bandwidth: float,
    least: Callable[..., Any] = min,
) -> Any:  # fmt: skip
    """Seconds of a product with its launch, at a ``peak`` in flops and a ``bandwidth`` in bytes a second of the device."""
    memory = product_bytes(product, element_bytes) / (bandwidth * constants.bandwidth_share)
    return constants.launch_seconds + together(arithmetic_seconds(product, constants, units, peak, least), memory)


def row_seconds(
    rows: Any, columns: Any, bytes_: Any, constants: RowConstants, cache_bytes: float, bandwidth: float
) -> Any:
    """Seconds of a kernel over rows with its launch, at a ``bandwidth`` in bytes a second of the device."""
    beyond = bytes_**2 / (bytes_**2 + cache_bytes**2)
    memory = bytes_ / bandwidth * (beyond / constants.bandwidth_share + (1 - beyond) / constants.cached_share)
    serial = constants.serial_seconds * rows * (rows <= SMALL_GATHER)
    return constants.launch_seconds + together(memory, columns * constants.column_seconds) + serial


def _parts(size: Any, part: int) -> Any:
    return -(-size // part)
