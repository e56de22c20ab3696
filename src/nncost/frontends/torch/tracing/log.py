"""The log of a run with its own tensors, from which the connected graph is built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from nncost.frontends.torch.step.attribution import Place
from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.tracing.call_signature import CallSignature
from nncost.ir.graph import Phase
from nncost.records import record


@record
class Entry:
    """One call, with the tensors it read and made; ``signature`` is None for a view."""

    operator: Any
    info: OperatorInfo
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    signature: CallSignature | None = None
    path: str = ""
    phase: Phase = "forward"
    differentiable: bool = True


@dataclass(slots=True)
class Log:
    """Every call in order; tensors are kept alive, so that their identities stay their own."""

    entries: list[Entry] = field(default_factory=list)

    def view(self, operator: Any, args: Any, kwargs: Any, result: Any, info: OperatorInfo) -> None:
        """A view was taken."""
        self.entries.append(Entry(operator, info, args, kwargs, result))

    def operation(self, signature: CallSignature, args: Any, kwargs: Any, result: Any, place: Place) -> None:
        """An operation ran."""
        entry = Entry(
            signature.operator, signature.info, args, kwargs, result, signature, *place, torch.is_grad_enabled()
        )
        self.entries.append(entry)
