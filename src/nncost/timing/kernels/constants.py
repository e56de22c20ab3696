"""What the kernels of a device take, in few named numbers that were fitted to published kernel times."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from nncost.records import record


@record
class ProductConstants:
    """Constants of matrix products: seconds, and shares of the device's peak and bandwidth.

    A product is cut into tiles, which ``units`` of the device work through in waves. ``tile_shares`` are, by a tile's
    elements, the part of its peak that a unit reaches; each wave takes ``wave_seconds`` more, each call
    ``launch_seconds``, and sums cut into parts that are added at the end ``split_seconds``.
    """

    launch_seconds: float
    bandwidth_share: float
    wave_seconds: float
    split_seconds: float
    tile_shares: Mapping[int, float]


@record
class RowConstants:
    """Constants of kernels that give each row of a table to one unit, a norm or an activation.

    Tensors that fit the cache come from it, at ``cached_share`` of the memory's bandwidth, others at ``bandwidth_share``. A
    row takes ``column_seconds`` for each of its columns, however few rows there are. A gather of few rows works on them
    one after the other, ``serial_seconds`` each.
    """

    launch_seconds: float
    bandwidth_share: float
    cached_share: float
    column_seconds: float
    serial_seconds: float = 0.0


@record
class KernelConstants:
    """What was fitted for one device.

    ``rows`` are by kind: ``norm``, ``activation``, ``rotary``, ``elementwise``, ``gather``. ``spread`` is by how much the
    times of nine kernels in ten differ from the constants' at most: 0.2 is a fifth; ``rows_spread`` is that of kernels
    without products where it is another one. ``like`` is the device that some or all of them are those of, where it is another.
    """

    devices: tuple[str, ...]
    dtypes: tuple[str, ...]
    units: int
    cache_bytes: float
    products: ProductConstants
    rows: Mapping[str, RowConstants]
    spread: float
    source: str
    rows_spread: float | None = None
    like: str = ""


@cache
def shipped() -> Mapping[str, KernelConstants]:
    """All constants that come with nncost, by the name of their device."""
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "kernels.toml").read_text(encoding="utf-8")
    return {name: constants_from(entry) for name, entry in tomllib.loads(text)["device"].items()}


def constants_from(entry: Mapping[str, Any]) -> KernelConstants:
    """Constants as their file holds them."""
    products, rows = dict(entry["products"]), entry["rows"]
    tiles = {int(elements): share for elements, share in products.pop("tile_shares").items()}
    return KernelConstants(
        tuple(entry["devices"]), tuple(entry["dtypes"]), entry["units"], entry["cache_bytes"], ProductConstants(**products, tile_shares=tiles),
        {kind: RowConstants(**each) for kind, each in rows.items()}, entry["spread"], entry["source"],
        entry.get("rows_spread"), entry.get("like", ""),
    )  # fmt: skip
