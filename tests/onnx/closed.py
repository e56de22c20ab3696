"""What is counted by a closed form and cannot count itself: sorting, and algorithms that NumPy runs as a whole."""

from __future__ import annotations

from nncost.ir import ops

CLOSED = {
    "dft", "determinant", "inverse", "unique", "roi_align", "roi_pool", "non_max_suppression", "search",
}  # fmt: skip
"""The algorithms; ``test_closed_forms`` has an amount by hand for each."""


def is_closed(op: ops.Op) -> bool:
    """Whether a run says nothing about the amounts of an operation."""
    return isinstance(op, ops.Sort) or (isinstance(op, ops.Algorithm) and op.name in CLOSED)
