"""What the parallel layouts of NVIDIA's recipes add to what each device computes: exchanges and waiting.

Tensor parallel layers gather and scatter their activations eight times, four forward and four backward (Korthikanti et al.
2022, arXiv 2205.05198, section 4.2.2), at the link's rate; a pipeline of p stages waits (p − 1) ÷ (v · m) of its m
micro-batches' time, v being its interleaved parts (Narayanan et al. 2021, arXiv 2104.04473, section 2.2). No constant is
fitted. Nothing is taken to overlap, though parts do, and other exchanges (of context, of gradients, between stages) are not
in here: they are small beside these, or hidden.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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

    def waiting(self, examples: float) -> float:
        """What a device waits, as a part of what it works; micro-batches are of one example."""
        micro_batches = examples * self.tensor * self.pipeline * self.context
        return (self.pipeline - 1) / (self.virtual * micro_batches)


@cache
def layouts() -> dict[tuple[str, str], Layout]:
    """The layouts by model and device."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["model"], row["device"]): Layout(*(int(row[name]) for name in Layout.__dataclass_fields__))
            for row in csv.DictReader(file)
        }
