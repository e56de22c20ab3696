"""The ledger of a trace: each kernel is counted once, each block of equal layers is added up once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nncost.counting.ledger import Ledger, Row, Unknown, count_graph
from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all
from nncost.ir.graph import Phase
from nncost.ir.trace import Block, BlockCall, Call, Kernel, Trace, TraceItem, joined

_Key = tuple[str, str, str, Phase, Quantity, str]


@dataclass(slots=True)
class _Tally:
    """Amounts of a list of calls, by relative path; ``rows`` are those of blocks, added up already."""

    amounts: dict[_Key, list[Dim]] = field(default_factory=lambda: defaultdict(list))
    rows: list[Row] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    free: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    neurons: list[Dim] = field(default_factory=list)

    def all_rows(self) -> list[Row]:
        """One row for each key, and those of the blocks."""
        own = [
            Row(path, op, inner, phase, quantity, amount, note)
            for (path, op, inner, phase, quantity, note), amounts in self.amounts.items()
            if (amount := add_all(amounts)) != 0
        ]
        return own + self.rows


@dataclass(slots=True)
class _Counter:
    valid: bool
    kernels: dict[Kernel, Ledger] = field(default_factory=dict)
    blocks: dict[Block, tuple[dict[str, list[tuple[Any, ...]]], _Tally]] = field(default_factory=dict)

    def tally(self, items: Sequence[TraceItem]) -> _Tally:
        """Everything the items ran."""
        tally = _Tally()
        for item in items:
            if isinstance(item, Call):
                self._add_call(tally, item)
            else:
                self._add_block(tally, item)
        return tally

    def _add_call(self, tally: _Tally, call: Call) -> None:
        ledger = self.kernels.get(call.kernel)
        if ledger is None:
            ledger = self.kernels[call.kernel] = count_graph(call.kernel.graph, valid_taps=self.valid)
        own, forward = call.kernel.own, call.phase == "forward"
        for row in ledger.rows:
            if row.phase == own and (forward or row.quantity != "activations"):
                key = (call.path, call.op or row.op, row.inner, call.phase, row.quantity, row.note)
                tally.amounts[key].append(row.amount)
        tally.unknown += [Unknown(call.path, unknown.op, call.phase) for unknown in ledger.unknown]
        for name, times in ledger.free.items():
            tally.free[name] += times
        if forward and call.neurons and ledger.neurons != 0:
            tally.neurons.append(ledger.neurons)

    def _add_block(self, tally: _Tally, item: BlockCall) -> None:
        if item.block not in self.blocks:
            inner = self.tally(item.block.items)
            by_path: dict[str, list[tuple[Any, ...]]] = {}
            for path, *rest in inner.all_rows():
                by_path.setdefault(path, []).append(tuple(rest))
            self.blocks[item.block] = by_path, inner
        by_path, inner = self.blocks[item.block]
        for path, rows in by_path.items():
            full = joined(item.path, path)
            tally.rows += [Row(full, *rest) for rest in rows]
        tally.unknown += [Unknown(joined(item.path, u.path), u.op, u.phase) for u in inner.unknown]
        for name, times in inner.free.items():
            tally.free[name] += times
        tally.neurons += inner.neurons


def count_trace(trace: Trace, *, valid_taps: bool = False) -> Ledger:
    """The ledger of everything a trace ran."""
    tally = _Counter(valid_taps).tally(trace.items)
    return Ledger(tuple(tally.all_rows()), tuple(tally.unknown), dict(tally.free), add_all(tally.neurons))
