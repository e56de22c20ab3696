"""The log of a run with its own tensors, from which the connected graph is built."""

from __future__ import annotations

from typing import Any

from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.tracing.call_signature import CallSignature
from nncost.ir.graph import Phase
from nncost.records import record


@record
class Entry:
    """One call, with the tensors it read and made; ``signature`` is None for a view."""

    info: OperatorInfo
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    signature: CallSignature | None = None
    path: str = ""
    phase: Phase = "forward"
    differentiable: bool = True


Log = list[Entry]
"""Every call in order; tensors are kept alive, so that their identities stay their own."""
