"""What every section of an explanation draws on."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.counting.quantities import Quantity
from nncost.explaining.accounts import Accounts
from nncost.ir.graph import Graph
from nncost.pipeline.count import Counted
from nncost.pipeline.settings import Settings
from nncost.records import record
from nncost.report import Report


@record
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


def chosen(all_of_them: Sequence[Quantity], quantity: str | None) -> list[Quantity]:
    """Return the quantities to show: all, or the one that was asked for."""
    return [name for name in all_of_them if quantity is None or name == quantity]
