"""``python -m benchmarks.decode``: published tokens a second of Llama-3-8B, one after the other, beside what memory allows.

Each token reads all weights but the table of embeddings, of which it reads one row, and the keys and values of the tokens
before it: half of those generated, on average. No row may be faster than that at the device's bandwidth. Then one share of
the bandwidth for each device: its median error on its own rows, and on each row by the share that the others imply.
``--rows`` prints every row, ``--shares`` what src/nncost/timing/devices/data/efficiency/decode.toml holds.

The rows are those in 16-bit floats on one device of XiongjieDai/GPU-Benchmarks-on-LLM-Inference, May 2024; its sizes are in
GiB though it prints GB. What is odd there: the M3 Max is slower at 512 tokens than at 1,024 (22.04 and 22.39 tokens a second),
though it reads less; no row of an A100 SXM or an L40S in 16-bit floats is among them; both PCIe devices with fast memory reach
half of their bandwidth where a matrix kernel alone reaches 80 % and more, since each token starts hundreds of kernels, which
takes as long as reading does: their share says less of their memory than that of slower devices.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import nncost
from nncost.timing.devices.catalogue import device_named

TABLE = Path(__file__).parent / "published" / "llamacpp_throughput.csv"
SOURCE = "llama.cpp, Llama-3-8B in F16, May 2024: XiongjieDai/GPU-Benchmarks-on-LLM-Inference@aa72e0e README.md"
CATALOGUE = {
    "3090 24GB": "rtx3090", "4090 24GB": "rtx4090", "A40 48GB": "a40", "A100 PCIe 80GB": "a100-pcie",
    "H100 PCIe 80GB": "h100-pcie", "M3 Max 40‑Core GPU 64GB": "m3-max",
}  # fmt: skip
OTHERS = {"RTX 4000 Ada 20GB": 360e9, "RTX 5000 Ada 32GB": 576e9, "RTX 6000 Ada 48GB": 960e9}
"""Bytes a second of devices that the catalogue does not have (NVIDIA's data sheets, recalled, not verified)."""
CHOSEN = ("F16", "1", "decode")
BYTES, PERCENT = 2, 100
LAYERS, KEY_VALUE_HEADS, HEAD, VOCABULARY, WIDTH, INNER = 32, 8, 128, 128_256, 4096, 14_336
BLOCK = (
    f"residual[rmsnorm, attention heads=32 kv_heads={KEY_VALUE_HEADS} bias=no], "
    f"residual[rmsnorm, dense {INNER} bias=no, dense {WIDTH} bias=no]"
)
MODEL = f"1, embedding {VOCABULARY} {WIDTH}, [{BLOCK}]*{LAYERS}, rmsnorm, dense {VOCABULARY} bias=no"
"""Llama-3-8B but for the gates of its layers: a spec has none. Each is as large as the layer whose output it multiplies."""


@dataclass(frozen=True)
class Row:
    """Tokens a second of a device that generates ``tokens`` from an empty context."""

    device: str
    tokens: int
    per_second: float

    @property
    def bandwidth(self) -> float:
        """Bytes a second of the device's memory."""
        name = CATALOGUE.get(self.device)
        return OTHERS[self.device] if name is None else device_named(name).bandwidth_bytes_per_second

    @property
    def bytes(self) -> float:
        """Bytes that one token reads: weights, and keys and values of half of all tokens."""
        return weight_bytes() + BYTES * 2 * LAYERS * KEY_VALUE_HEADS * HEAD * self.tokens / 2

    @property
    def share(self) -> float:
        """The part of the bandwidth that was reached."""
        return self.bytes * self.per_second / self.bandwidth


@cache
def weight_bytes() -> int:
    """Bytes that each token reads: all weights but the table of embeddings."""
    counted = nncost.count(MODEL, loss="none").parameters.total
    assert isinstance(counted, int)
    return BYTES * (counted + LAYERS * WIDTH * INNER - VOCABULARY * WIDTH)


def rows() -> list[Row]:
    """Every row in 16-bit floats on one device that generates tokens."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        found = [each for each in csv.DictReader(file) if (each["quant"], each["n_gpus"], each["phase"]) == CHOSEN]
    return [Row(each["gpu"], int(each["tokens"]), float(each["tokens_per_s"])) for each in found]


def by_device() -> dict[str, list[Row]]:
    """The rows of each device."""
    found: dict[str, list[Row]] = {}
    for row in rows():
        found.setdefault(row.device, []).append(row)
    return found


def error(row: Row, share: float) -> float:
    """The relative error of a row's tokens a second by a share of the bandwidth."""
    return abs(share / row.share - 1)


def errors(mine: Sequence[Row]) -> list[float]:
    """Errors of a device's rows by their own median share."""
    share = median(row.share for row in mine)
    return [error(row, share) for row in mine]


def left_out(mine: Sequence[Row]) -> list[float]:
    """Errors of a device's rows, each by the median share of its others."""
    return [error(row, median(other.share for other in mine if other is not row)) for row in mine]


def shares_toml() -> Iterator[str]:
    """What decode.toml holds: for each device of the catalogue its least, median and largest share."""
    for device, mine in by_device().items():
        if device in CATALOGUE:
            found = [row.share for row in mine]
            numbers = ", ".join(f"{value:.3f}" for value in (min(found), median(found), max(found)))
            yield f'[device.{CATALOGUE[device]}]\nshare = [{numbers}]\nsource = "{SOURCE}"\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", action="store_true", help="print every row")
    parser.add_argument("--shares", action="store_true", help="print the shares that nncost ships")
    chosen: Any = parser.parse_args()
    if chosen.shares:
        print("\n".join(shares_toml()))
        return
    print("share of the bandwidth that decoding reaches; error in per cent by one share for each device, and left out")
    own, others = [], []
    for device, mine in by_device().items():
        found, without = errors(mine), left_out(mine)
        own, others = [*own, *found], [*others, *without]
        share, middle, apart = median(row.share for row in mine), median(found), median(without)
        print(f"  {device:24} {len(mine):2}  {share:.3f}  {middle * PERCENT:5.1f}  {apart * PERCENT:5.1f}")
        for row in mine if chosen.rows else ():
            print(f"    {row.tokens:6,} tokens {row.per_second:7.2f} a second  {row.share:.3f}")
    print(f"  {'all':24} {len(own):2}         {median(own) * PERCENT:5.1f}  {median(others) * PERCENT:5.1f}")
    beyond = sum(row.share > 1 for row in rows())
    print(
        f"  faster than memory allows: {beyond} of {len(own)} rows; the fastest reaches {max(row.share for row in rows()):.3f}"
    )


if __name__ == "__main__":
    main()
