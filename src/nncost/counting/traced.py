"""The ledger of a trace: each kernel is counted once, each block of equal layers is added up once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nncost.counting.ledger import Ledger, Row, Tally, Unknown, count_graph
from nncost.dims import Dim, substitute
from nncost.ir.trace import Block, BlockCall, Kernel, KernelCall, Trace, TraceItem, joined
from nncost.records import replace


@dataclass(slots=True)
class _Counter:
    valid: bool
    kernels: dict[Kernel, Ledger] = field(default_factory=dict)
    blocks: dict[Block, tuple[Ledger, dict[str, list[tuple[Any, ...]]]]] = field(default_factory=dict)
    """The ledger of each block, with paths below it, and its rows by path."""

    def ledger(self, items: Sequence[TraceItem]) -> Ledger:
        """Return everything the items ran."""
        tally = Tally()
        times = Counter((item.block, item.path) for item in items if not isinstance(item, KernelCall))
        for item in items:
            if isinstance(item, KernelCall):
                self._add_call(tally, item)
            else:
                self._add_block(tally, item, times.pop((item.block, item.path), 0))
        return tally.ledger()

    def _add_call(self, tally: Tally, call: KernelCall) -> None:
        ledger = self.kernels.get(call.kernel)
        if ledger is None:
            ledger = self.kernels[call.kernel] = count_graph(call.kernel.graph, valid_taps=self.valid)
        own, forward = call.kernel.own, call.phase == "forward"
        for row in ledger.rows:
            if row.phase == own and (forward or row.quantity != "activations"):
                key = (call.path, call.op or row.op, row.inner, call.phase, row.quantity, row.note, row.product)
                tally.amounts[key].append(row.amount)
        tally.unknown += [Unknown(call.path, unknown.op, call.phase, unknown.reason) for unknown in ledger.unknown]
        tally.add_free(ledger.free)
        if forward and call.neurons and ledger.neurons != 0:
            tally.neurons.append(ledger.neurons)

    def _add_block(self, tally: Tally, item: BlockCall, times: int) -> None:
        """Add a block that ran at one place so many times; 0 where that is added already."""
        if times == 0:
            return
        if item.block not in self.blocks:
            by_path: dict[str, list[tuple[Any, ...]]] = {}
            inner = self.ledger(item.block.items)
            for path, *rest in inner.rows:
                by_path.setdefault(path, []).append(tuple(rest))
            self.blocks[item.block] = inner, by_path
        inner, by_path = self.blocks[item.block]
        for path, rows in by_path.items():
            full = joined(item.path, path)
            found = [Row(full, *rest) for rest in rows]
            tally.rows += found if times == 1 else [row._replace(amount=row.amount * times) for row in found]
        tally.unknown += [Unknown(joined(item.path, u.path), u.op, u.phase, u.reason) for u in inner.unknown] * times
        tally.add_free({name: number * times for name, number in inner.free.items()})
        tally.neurons.append(inner.neurons * times)


def count_trace(trace: Trace, *, valid_taps: bool = False) -> Ledger:
    """Return the ledger of everything a trace ran."""
    ledger = _Counter(valid_taps).ledger(trace.items)
    if not trace.meaning:
        return ledger
    rows = tuple(_with_sizes(row, trace.meaning) for row in ledger.rows)
    return replace(ledger, rows=rows, neurons=substitute(ledger.neurons, trace.meaning))


def _with_sizes(row: Row, sizes: Mapping[Dim, Dim]) -> Row:
    product = None if row.product is None else row.product.at(sizes)
    return row._replace(amount=substitute(row.amount, sizes), product=product)
