"""A case, and the sheet of paper on which its numbers are worked out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

BATCH, TOKENS = 2, 7


@dataclass
class Sheet:
    """Sums of parameters and of multiplications in contractions, written down layer by layer."""

    parameters: int = 0
    macs: int = 0

    def dense(self, positions: int, n: int, m: int, *, bias: bool = True) -> None:
        """A matrix n × m at each position."""
        self.parameters += n * m + bias * m
        self.macs += positions * n * m

    def again(self, positions: int, n: int, m: int) -> None:
        """A matrix that was counted before, or none that is learned."""
        self.macs += positions * n * m

    def learned(self, *sizes: int) -> None:
        """Numbers that no contraction has: tables, norms, scales."""
        self.parameters += prod(sizes)

    def norm(self, width: int, *, bias: bool = True) -> None:
        self.parameters += width * (2 if bias else 1)

    def attention(self, batch: int, heads: int, queries: int, keys: int, width: int, value: int | None = None) -> None:
        """Scores and their sum of values."""
        self.macs += batch * heads * queries * keys * (width + (width if value is None else value))

    def conv(
        self, n: int, m: int, kernel: tuple[int, ...], outputs: tuple[int, ...], *, groups: int = 1, bias: bool = True,
        batch: int = BATCH,
    ) -> None:  # fmt: skip
        """Each of m outputs a place takes n / groups inputs from a window."""
        taps = n // groups * prod(kernel)
        self.parameters += m * taps + bias * m
        self.macs += batch * prod(outputs) * m * taps


@dataclass(frozen=True)
class Case:
    """A configuration, the shapes it is called with and the sheet with its numbers."""

    name: str
    architecture: str
    model_type: str
    config: Mapping[str, Any]
    inputs: Mapping[str, tuple[int, ...]]
    work: Callable[[Sheet], None] = field(repr=False)

    @property
    def sheet(self) -> Sheet:
        """The numbers, worked out."""
        sheet = Sheet()
        self.work(sheet)
        return sheet

    @property
    def values(self) -> dict[str, Any]:
        """The configuration as a file holds it."""
        return {"model_type": self.model_type, "architectures": [self.architecture], **self.config}


IDS = {"input_ids": (BATCH, TOKENS)}
