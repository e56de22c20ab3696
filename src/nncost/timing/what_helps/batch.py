"""Larger batches: what a step costs anyway is shared by more examples."""

from __future__ import annotations

from collections.abc import Iterator

from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.what_helps.trial import PART_OF_MEMORY, Attempt, Case, Variant
from nncost.units import grouped

TIMES = 4


def larger_batch(case: Case) -> Iterator[Attempt]:
    """Four times as many examples, if there is memory for them."""
    batch, memory = case.report.settings["batch"], case.report.memory
    peak = None if memory is None else memory.step_peak if case.trains else memory.forward_peak
    if not isinstance(batch, int) or not isinstance(peak, int) or peak * TIMES > available_bytes() * PART_OF_MEMORY:
        return
    words = f"batches of {grouped(batch * TIMES)} instead of {grouped(batch)}"
    yield Attempt(
        words, "and what is learned changes too" if case.trains else "", Variant(batch=batch * TIMES, examples=TIMES)
    )
