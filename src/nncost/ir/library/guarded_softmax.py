"""Softmax over rows that may hold no number at all, or one more that has no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Operation


def guarded_softmax(b: Builder, x: Tensor, *, guarded: bool, sink: Tensor | None = None) -> Tensor:
    """Softmax over the last axis; ``guarded`` rows of −∞ alone give zeros, at 3 cmp for each row.

    A ``sink`` is one number more in each row, left out of the result: 1 cmp, 2 add and 1 exp for each row.
    """

    def gradient(
        b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]
    ) -> Mapping[Tensor, Tensor]:
        """dx = p·(g − Σ g·p), as of any softmax: a row of zeros has none."""
        (x,), (p,), (dy,) = region.inputs, region.outputs, g
        assert dy is not None
        weighted = b.reduce("sum", b.map("mul", dy, p), [-1], keep=True)
        return {x: b.map("mul", p, b.map("sub", dy, weighted))}

    with b.region(Operation("softmax"), x, *([] if sink is None else [sink])) as region:
        largest = b.reduce("max", x, [-1], keep=True)
        if sink is not None:
            largest = b.map("max", largest, sink)
        empty = b.map("equal", largest, float("-inf")) if guarded else None
        if empty is not None:
            largest = b.map("select", empty, 0.0, largest)
        powers = b.map("exp", b.map("sub", x, largest))
        total = b.reduce("sum", powers, [-1], keep=True)
        if sink is not None:
            total = b.map("add", total, b.map("exp", b.map("sub", sink, largest)))
        if empty is not None:
            total = b.map("select", empty, 1.0, total)
        region.returns(b.map("div", powers, total), gradient=gradient if sink is None else None)
    return region.outputs[0]
