"""What every section of an explanation draws on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncost.counting.quantities import Quantity
from nncost.explaining.accounts import Accounts
from nncost.ir.graph import Graph
from nncost.pipeline.count import Counted
from nncost.pipeline.settings import Settings
from nncost.report import Report

WORDS: dict[str, str] = {
    "mul": "multiplications", "add": "additions", "div": "divisions", "sqrt": "square roots", "cmp": "comparisons",
    "exp": "exponentials", "log": "logarithms", "tanh": "tanh functions", "sigmoid": "sigmoid functions",
    "erf": "error functions", "sin": "sines", "cos": "cosines", "atan": "arc tangents", "pow": "powers",
    "random": "random numbers", "int_ops": "integer operations", "macs": "multiplications inside sums of products",
    "activations": "activations", "derivatives": "derivatives", "read_bytes": "bytes read",
    "write_bytes": "bytes written", "flops": "flops",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Context:
    """A source with its settings, its counts, its report and its accounts."""

    source: str | Graph
    settings: Settings
    counted: Counted
    report: Report
    accounts: Accounts

    @property
    def micro_batches(self) -> int:
        """How many batches make up one step."""
        return self.settings.accumulate


def in_words(quantity: str) -> str:
    """Return ``Multiplications`` for ``mul``."""
    words = WORDS[quantity]
    return words[0].upper() + words[1:]


def chosen(all_of_them: Sequence[Quantity], quantity: str | None) -> list[Quantity]:
    """Return the quantities to show: all, or the one that was asked for."""
    return [name for name in all_of_them if quantity is None or name == quantity]
