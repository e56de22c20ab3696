"""``python -m benchmarks.kernels``: predicted seconds beside 6,318 published kernel times on three devices.

Every model is predicted by constants that were fitted to the kernels of the other models on the same device. Beside
nncost a roofline (the slower of peak and bandwidth) and FLOPs ÷ peak, which has products only. ``--constants`` prints
what src/nncost/timing/devices/data/efficiency/kernels.toml holds, fitted to all models; ``--ops`` the error of each
operation; ``--borrowed`` that of each device's kernels by the constants of another one, its own units, peak, bandwidth and
cache: the spread that generations.toml holds.

The times are medians of what PyTorch's profiler saw on the device, in whole microseconds: half of one is all that the
shortest kernels can be told by.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nncost.counting.products import Product
from nncost.timing.devices.catalogue import device_named
from nncost.timing.kernels.constants import ProductConstants, RowConstants, shipped
from nncost.timing.kernels.fit import fitted
from nncost.timing.kernels.seconds import (
    TILES,
    product_bytes,
    product_seconds,
    row_seconds,
)  # fmt: skip
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

TABLE = Path(__file__).parent / "published" / "op_times_measured.csv"
SOURCE = "kernel times of 8 language models: microsoft/vidur@7d47513 data/profiling/compute"
DEVICES = {"a100": ("a100", "a100-40gb"), "h100": ("h100",), "a40": ("a40",)}
UNITS = {"a100": 108, "h100": 132, "a40": 84}
"""Streaming multiprocessors (NVIDIA's architecture whitepapers, read 2026-12-01)."""
CACHE = {"a100": 40e6, "h100": 50e6, "a40": 6e6}
"""Bytes of the second-level cache (the same whitepapers)."""
DTYPE, BYTES = "float16", 2
KINDS = {
    "input_layernorm": "norm",
    "mlp_act": "activation",
    "attn_rope": "rotary",
    "add": "elementwise",
    "emb": "gather",
}
PERCENT, INSIDE = 100, 90


@dataclass(frozen=True)
class Kernels:
    """Kernels of one kind on one device, as columns; seconds are those measured."""

    device: str
    kind: str
    models: np.ndarray
    product: Product
    rows: np.ndarray
    columns: np.ndarray
    bytes: np.ndarray
    seconds: np.ndarray

    def only(self, chosen: np.ndarray) -> Kernels:
        """Those that are chosen."""
        columns = (self.rows, self.columns, self.bytes, self.seconds)
        product = Product(*(size[chosen] for size in self.product))
        return Kernels(self.device, self.kind, self.models[chosen], product, *(each[chosen] for each in columns))

    def predicted(self, constants: Sequence[float]) -> np.ndarray:
        """Seconds by constants in the order of the search."""
        return self.by(products_from(constants) if self.kind == PRODUCT else RowConstants(*constants))

    def by(self, constants: ProductConstants | RowConstants) -> np.ndarray:
        """Seconds by the constants of their kind."""
        device = device_named(self.device)
        bandwidth = device.bandwidth_bytes_per_second
        if isinstance(constants, ProductConstants):
            peak, units = device.peak(DTYPE), UNITS[self.device]
            return np.asarray(product_seconds(self.product, BYTES, constants, units, peak, bandwidth, np.minimum))
        return np.asarray(row_seconds(self.rows, self.columns, self.bytes, constants, CACHE[self.device], bandwidth))

    def roofline(self) -> np.ndarray:
        """Seconds at the slower of peak and bandwidth."""
        device = device_named(self.device)
        moved = product_bytes(self.product, BYTES) if self.kind == PRODUCT else self.bytes
        return np.maximum(self.flops_over_peak(), moved / device.bandwidth_bytes_per_second)

    def flops_over_peak(self) -> np.ndarray:
        """Seconds of the products at the device's peak."""
        return FLOPS_PER_PRODUCT * np.asarray(self.product.macs, float) / device_named(self.device).peak(DTYPE)


PRODUCT = "product"
PRODUCT_START = (3e-6, 0.8, 1e-6, 4e-6, 0.6, 0.7, 0.75)
ROW_START = (2e-6, 0.5, 1.0, 0.5e-9)
SERIAL_START = (0.5e-6,)


def products_from(constants: Sequence[float]) -> ProductConstants:
    launch, share, wave, split, *tiles = constants
    elements = sorted({rows * columns for rows, columns in TILES})
    return ProductConstants(launch, share, wave, split, dict(zip(elements, tiles, strict=True)))


def start_of(kind: str) -> tuple[float, ...]:
    if kind == PRODUCT:
        return PRODUCT_START
    return ROW_START + (SERIAL_START if kind == "gather" else ())


# ------------------------------------------------------------------- the table
@cache
def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def kernels(device: str) -> dict[str, Kernels]:
    """The kernels of a device by operation; products are one operation."""
    by_op: dict[str, list[dict[str, str]]] = {}
    for row in table():
        if row["gpu"] == device:
            by_op.setdefault(PRODUCT if row["m"] else row["op"], []).append(row)
    return {op: _kernels(device, op, rows) for op, rows in by_op.items()}


def _kernels(device: str, op: str, rows: list[dict[str, str]]) -> Kernels:
    def column(name: str) -> np.ndarray:
        return np.array([int(row[name] or 0) for row in rows])

    tensors = {"add": 3, "mlp_act": 2 + column("gated")}.get(op, 2)
    product = Product(column("m"), column("k"), column("n"), np.ones(len(rows), int))
    moved = 1.0 * BYTES * tensors * column("tokens") * column("width")
    seconds = np.array([float(row["microseconds"]) for row in rows]) * 1e-6
    models = np.array([row["model"] for row in rows])
    return Kernels(device, KINDS.get(op, PRODUCT), models, product, column("tokens"), column("width"), moved, seconds)


# ------------------------------------------------------------------- constants
def constants_for(seen: Kernels) -> list[float]:
    """The constants whose mean error over some kernels is least."""
    return fitted(seen.predicted, seen.seconds, start_of(seen.kind))


def left_out(all_: Kernels) -> np.ndarray:
    """The seconds of every kernel by constants that were fitted without its model."""
    seconds = np.zeros(len(all_.seconds))
    for model in sorted(set(all_.models)):
        mine = all_.models == model
        seconds[mine] = all_.only(mine).predicted(constants_for(all_.only(~mine)))
    return seconds


# ------------------------------------------------------------------- the comparison
def errors(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Relative errors."""
    return np.abs(predicted / measured - 1)


def said(sizes: np.ndarray) -> str:
    """Median and 90th percentile in per cent."""
    return f"{PERCENT * np.median(sizes):6.1f} {PERCENT * np.percentile(sizes, 90):7.1f}"


def compare(device: str, *, by_op: bool) -> None:
    found = kernels(device)
    ways: dict[str, list[np.ndarray]] = {"nncost": [], "roofline": [], "FLOPs ÷ peak": []}
    readings = []
    for op, each in found.items():
        guess = left_out(each)
        ways["nncost"].append(errors(guess, each.seconds))
        ways["roofline"].append(errors(each.roofline(), each.seconds))
        readings.append(0.5e-6 / each.seconds)
        if each.kind == PRODUCT:
            ways["FLOPs ÷ peak"].append(errors(each.flops_over_peak(), each.seconds))
        if by_op:
            print(f"    {op:16} {len(each.seconds):5}  {said(ways['nncost'][-1])}")
    for way, parts in ways.items():
        print(f"  {device:5} {way:14} {sum(map(len, parts)):5}  {said(np.concatenate(parts))}")
    print(f"  {device:5} {'half a µs':14} {sum(map(len, readings)):5}  {said(np.concatenate(readings))}")


def constants_toml(device: str) -> Iterator[str]:
    """What kernels.toml says of a device, line by line: constants fitted to all its models, rounded."""
    found = kernels(device)
    by_kind = {kind: [each for each in found.values() if each.kind == kind] for kind in (PRODUCT, *KINDS.values())}
    constants = {kind: [_rounded(each) for each in constants_for(joined(parts))] for kind, parts in by_kind.items()}
    missed = [errors(each.predicted(constants[each.kind]), each.seconds) for each in found.values()]
    spread = float(np.percentile(np.concatenate(missed), INSIDE))
    yield f"[device.{device}]"
    yield f"devices = [{', '.join(map(repr, DEVICES[device]))}]".replace("'", '"')
    yield 'dtypes = ["float16", "bfloat16"]'
    yield f"units = {UNITS[device]}"
    yield f"cache_bytes = {CACHE[device]:.0f}"
    yield f"spread = {_rounded(spread)}"
    yield f'source = "{SOURCE}/{device}"'
    launch, share, wave, split, *tiles = constants.pop(PRODUCT)
    yield f"[device.{device}.products]"
    yield f"launch_seconds = {launch}"
    yield f"bandwidth_share = {share}"
    yield f"wave_seconds = {wave}"
    yield f"split_seconds = {split}"
    elements = sorted({rows * columns for rows, columns in TILES})
    shares = ", ".join(f"{size} = {tile}" for size, tile in zip(elements, tiles, strict=True))
    yield f"tile_shares = {{ {shares} }}"
    names = [field.name for field in fields(RowConstants)]
    for kind, values in constants.items():
        yield f"[device.{device}.rows.{kind}]"
        yield from (f"{name} = {value}" for name, value in zip(names, values, strict=False))


def borrowed(device: str, like: str) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a device's products, and of its other kernels, by the constants that nncost ships for another device."""
    constants, products, others = shipped()[like], [], []
    for each in kernels(device).values():
        if each.kind == PRODUCT:
            products.append(errors(each.by(constants.products), each.seconds))
        else:
            others.append(errors(each.by(constants.rows[each.kind]), each.seconds))
    return np.concatenate(products), np.concatenate(others)


def spreads() -> tuple[float, float]:
    """By how much nine in ten products, and other kernels, miss by the constants of another device; all pairs together."""
    pairs = [borrowed(device, like) for device in DEVICES for like in DEVICES if like != device]
    products, others = (float(np.percentile(np.concatenate(parts), INSIDE)) for parts in zip(*pairs, strict=True))
    return _rounded(products), _rounded(others)


def print_borrowed() -> None:
    print("error in per cent by the constants of another device: median, 90th percentile; products, other kernels")
    for device in DEVICES:
        for like in DEVICES:
            if like != device:
                products, others = borrowed(device, like)
                print(f"  {device:5} by {like:5}  {said(products)}  {said(others)}")
    print("products = {}\nothers = {}".format(*spreads()))


def joined(parts: Sequence[Kernels]) -> Kernels:
    """Kernels of one kind together."""
    first = parts[0]
    product = Product(*(np.concatenate(sizes) for sizes in zip(*(part.product for part in parts), strict=True)))
    columns = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "columns", "bytes", "seconds")
    ]
    return Kernels(first.device, first.kind, np.concatenate([part.models for part in parts]), product, *columns)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ops", action="store_true", help="print the error of each operation")
    parser.add_argument("--constants", action="store_true", help="print the constants, fitted to all models")
    parser.add_argument("--borrowed", action="store_true", help="print errors by the constants of another device")
    chosen: Any = parser.parse_args()
    if chosen.borrowed:
        print_borrowed()
        return
    if chosen.constants:
        print("\n\n".join("\n".join(constants_toml(device)) for device in DEVICES))
        return
    print("error in per cent of kernels of a model that was left out: kernels, median, 90th percentile")
    for device in DEVICES:
        compare(device, by_op=chosen.ops)


if __name__ == "__main__":
    main()
