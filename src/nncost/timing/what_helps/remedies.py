"""The table of remedies, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nncost.timing.what_helps.attention import fused_attention
from nncost.timing.what_helps.batch import larger_batch
from nncost.timing.what_helps.channels_last import channels_last
from nncost.timing.what_helps.number_type import number_type
from nncost.timing.what_helps.optimizer_kernels import optimizer_kernels
from nncost.timing.what_helps.threads import threads
from nncost.timing.what_helps.trial import Attempt, Case

Remedy = Callable[[Case], Iterator[Attempt]]
"""Yields what can be tried with a step; nothing where the remedy does not apply."""

REMEDIES: Sequence[Remedy] = (
    fused_attention,
    number_type,
    channels_last,
    optimizer_kernels,
    larger_batch,
    threads,  # last: while something else runs, waiting threads make its steps many times longer
)
