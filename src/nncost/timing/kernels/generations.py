"""Constants of kernels for devices of which nobody published times: those of the nearest device of which somebody did."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from nncost.records import replace
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, shipped


def borrowed_for(device: Device, dtype: str, like: Device) -> KernelConstants | None:
    """The constants that a device borrows at a type; None where none is near enough.

    ``like`` is the device they were fitted to: tiles reach as much more or less of the peak as the fastest measured product does.
    """
    found = _generation(device.name)
    if found is None:
        return None
    name, lender = found
    constants = shipped()[lender["like"]]
    if dtype not in constants.dtypes:
        return None
    units, cache_bytes = lender["devices"][device.name]
    own, its = (_product_share(each, dtype) for each in (device, like))
    factor = own / its if own and its else 1.0
    tiles = {elements: share * factor for elements, share in constants.products.tile_shares.items()}
    return replace(
        constants, devices=(device.name,), units=units, cache_bytes=cache_bytes,
        products=replace(constants.products, tile_shares=tiles),
        spread=_wider(constants.spread, "products"), rows_spread=_wider(constants.spread, "others"), like=like.name,
        source=f"{constants.source}, for {device.name} of the generation {name}",
    )  # fmt: skip


def _wider(spread: float, kind: str) -> float:
    """As far off as the lender's own kernels may be and, beyond that, those of another device."""
    return float((1 + spread) * (1 + _table()[kind]) - 1)


def lender_of(name: str) -> str | None:
    """The name of the device whose constants a device borrows."""
    found = _generation(name)
    return None if found is None else str(found[1]["like"])


def _generation(device: str) -> tuple[str, Mapping[str, Any]] | None:
    generations = _table()["generation"]
    return next(((name, each) for name, each in generations.items() if device in each["devices"]), None)


def _product_share(device: Device, dtype: str) -> float | None:
    shares = {measured.dtype: measured.share for measured in device.measured_matmul}
    return shares.get(dtype, shares.get("bfloat16"))


@cache
def _table() -> Mapping[str, Any]:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "generations.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
