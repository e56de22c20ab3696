"""Algorithms, random numbers and places that are data: types as PyTorch's, amounts as worked out by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from nncost.counting.ledger import ESTIMATED, count_graph
from tests.torch.lowerings import vision
from tests.torch.lowerings.closed import ALL, Closed
from tests.torch.lowerings.running import assert_same_types, is_backward, lower

TRAFFIC = ("read_bytes", "write_bytes", "activations")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("closed", [*ALL, *vision.CLOSED], ids=str)
def test_counts_by_hand(closed: Closed) -> None:
    lowered = lower(closed.sample)
    assert not lowered.opaque
    assert_same_types(closed.sample, lowered)
    phase = "backward" if is_backward(lowered) else "forward"
    counted: Counter[str] = Counter()
    notes = set()
    for row in count_graph(lowered.graph).rows:
        if row.phase == phase and row.quantity not in TRAFFIC:
            counted[row.quantity] += row.amount
            notes.add(row.note)
    assert dict(counted) == {quantity: amount for quantity, amount in closed.counts.items() if amount}
    assert (ESTIMATED in notes) == closed.estimated
