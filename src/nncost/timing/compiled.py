"""What a compiler makes of a row's operations: everything between two contractions is one kernel."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.records import replace
from nncost.timing.row_cost import Work


def fused(works: Sequence[Work]) -> list[Work]:
    """The work of one row with its elementwise operations, norms and reductions fused into one kernel.

    Contractions stay kernels of their own. A fused kernel moves what the operation in it that moves most does: what one
    hands to the next stays in the registers of a unit.
    """
    chain = [work for work in works if not work.contraction_flops]
    if len(chain) < 2:
        return list(works)
    most = max(chain, key=lambda work: work.bytes)
    kernels = max(work.kernels for work in chain)
    one = replace(most, part="", other_flops=sum(work.other_flops for work in chain), kernels=kernels)
    return [*(work for work in works if work.contraction_flops), one]
