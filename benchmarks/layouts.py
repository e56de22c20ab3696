"""What the parallel layouts of NVIDIA's recipes add to what one device computes: slices, slow stages, exchanges and waiting.

A device multiplies its own slices: a part of the sequence and of each layer's weights, in shorter waves. A pipeline runs at
the pace of its slowest stage, which is the last one where that has the output layer beside as many blocks as all others. Tensor
parallel layers gather and scatter their activations eight times, four forward and four backward (Korthikanti et al. 2022,
arXiv 2205.05198, section 4.2.2), at the link's rate; a pipeline of p stages waits (p − 1) ÷ (v · m) of its m micro-batches'
time, v being its interleaved parts (Narayanan et al. 2021, arXiv 2104.04473, section 2.2). No constant is fitted. Nothing is
taken to overlap, though parts do, and other exchanges (of context, of gradients, between stages) are not in here: they are
small beside these, or hidden.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nncost.counting.products import Product
from nncost.records import replace
from nncost.report import Report

TABLE = Path(__file__).parent / "published" / "dgxc_layouts.csv"
EXCHANGES = 8
"""Gathers and scatters of one layer for one micro-batch, forward and backward."""
BYTES = 2


@dataclass(frozen=True)
class Layout:
    """How many devices share a layer's weights, its layers and a sequence; ``virtual`` parts of each stage take turns."""

    tensor: int
    pipeline: int
    context: int
    virtual: int

    def exchanged(self, tokens: int, width: int, blocks: int, examples: float, bytes_per_second: float) -> float:
        """Seconds of tensor parallel exchanges; a device computes so many ``examples`` of so many ``tokens``, together."""
        micro_batches = examples * self.tensor * self.pipeline * self.context
        moved = BYTES * width * tokens / self.context * (self.tensor - 1) / self.tensor
        return EXCHANGES * blocks / self.pipeline * micro_batches * moved / bytes_per_second

    def slowest(self, inside: float, outside: float, blocks: int) -> float:
        """Seconds of the slowest stage's devices, from those of an average one ``inside`` of blocks and ``outside`` of them.

        Where blocks do not divide evenly, the first and the last stage have one less (Grattafiori et al. 2024,
        arXiv 2407.21783, section 3.3.2, on Llama 3.1 405b).
        """
        stages = self.pipeline
        if blocks % stages == 0:
            return inside + stages * outside
        most = -(-blocks // stages)
        return stages * max(inside * most / blocks, inside * (most - 1) / blocks + outside)

    def waiting(self, examples: float) -> float:
        """What a device waits, as a part of what it works; micro-batches are of one example."""
        micro_batches = examples * self.tensor * self.pipeline * self.context
        return (self.pipeline - 1) / (self.virtual * micro_batches)


def sliced(report: Report, length: int, layout: Layout) -> Report:
    """The same work in the products that single devices run.

    Their sequences are shorter, and of the sizes that belong to weights the larger one is.
    """
    rows = [
        replace(row, products={op: _slices(runs, length, layout) for op, runs in row.products.items()})
        for row in report.rows
    ]
    return replace(report, rows=rows)


def _slices(runs: Mapping[Product, int], length: int, layout: Layout) -> dict[Product, int]:
    found: dict[Product, int] = {}
    for product, times in runs.items():
        slice_, parts = _slice(product, length, layout)
        found[slice_] = found.get(slice_, 0) + times * parts
    return found


def _slice(product: Product, length: int, layout: Layout) -> tuple[Product, int]:
    """What one device runs of a product, and how many such slices there are."""
    sizes = [int(size) for size in product[:3]]
    if length not in sizes or product.copies != 1:
        return product, 1
    tokens = sizes.index(length)
    larger = max((place for place in range(3) if place != tokens), key=lambda place: sizes[place])
    sizes[tokens] //= layout.context
    sizes[larger] //= layout.tensor
    return Product(*sizes), layout.context * layout.tensor


@cache
def layouts() -> dict[tuple[str, str], Layout]:
    """The layouts by model and device."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["model"], row["device"]): Layout(*(int(row[name]) for name in Layout.__dataclass_fields__))
            for row in csv.DictReader(file)
        }
