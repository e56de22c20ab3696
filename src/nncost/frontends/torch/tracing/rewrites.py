"""Functions that PyTorch takes apart into other operators than they mean, rewritten before they get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from nncost.frontends.torch.step.functions import StepFunctions
from nncost.frontends.torch.step.symbolic_sizes import Sizes
from nncost.frontends.torch.tracing.causal import ATTENTION, CausalProducts


def _vecdot(x: torch.Tensor, y: torch.Tensor, *, dim: int = -1, out: Any = None) -> torch.Tensor:
    """Row by row a dot product: PyTorch runs an elementwise product and a sum."""
    x, y = torch.broadcast_tensors(x.movedim(dim, -1), y.movedim(dim, -1))
    return (x.conj().unsqueeze(-2) @ y.unsqueeze(-1)).squeeze(-1).squeeze(-1)


_REWRITES: Mapping[Any, Callable[..., Any]] = {torch.linalg.vecdot: _vecdot}


class Rewrites(StepFunctions):
    """While it is on, functions run as they are rewritten here, and causal attention is noted in ``causal``."""

    def __init__(self, causal: CausalProducts, sizes: Callable[[], Sizes | None]) -> None:
        super().__init__()
        self._causal, self._sizes = causal, sizes

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rewritten = _REWRITES.get(function)
        if rewritten is not None:
            return rewritten(*args, **(kwargs or {}))
        if function is ATTENTION:
            with self._causal.around(args, kwargs or {}, self._sizes()) as results:
                results.append(super().__torch_function__(function, types, args, kwargs))
            return results[0]
        return super().__torch_function__(function, types, args, kwargs)
