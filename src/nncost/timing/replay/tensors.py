"""Real tensors in the place of recorded ones, with values that an operator accepts."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_map

from nncost.frontends.torch.allocation.recorder import Argument, OpRecord
from nncost.frontends.torch.allocation.workspace_probe import with_workspace

_SPREAD = 0.1
"""Standard deviation of random values: small, so that nothing overflows however often it is repeated."""
_LEAST = 0.01


def real_arguments(call: OpRecord) -> tuple[list[Any], dict[str, Any]]:
    """Arguments like those recorded. Whole numbers lie within the smallest size that they could index."""
    limit = _limit(call)
    with_gradients = call.phase in ("forward", "loss") and not call.operator._schema.is_mutable

    signed = call.phase != "update"  # an optimizer takes roots of what it keeps

    def real(value: Any) -> Any:
        return _tensor(value, limit, with_gradients, signed) if isinstance(value, Argument) else value

    args, kwargs = tree_map(real, (list(call.args), dict(call.kwargs)))
    return list(with_workspace(call.operator, tuple(args))), kwargs


def _limit(call: OpRecord) -> int:
    """No index may be larger than the smallest extent of the floating-point arguments."""
    layouts = [argument.layout for argument in call.tensors()]
    extents = [size for layout in layouts if layout.dtype.is_floating_point for size in layout.shape]
    extents += [a for a in call.args if isinstance(a, int) and not isinstance(a, bool) and a > 0]
    return max(1, min(extents, default=1))


def _tensor(argument: Argument, limit: int, with_gradients: bool, signed: bool) -> torch.Tensor:
    layout = argument.layout
    memory = torch.empty(layout.extent, dtype=layout.dtype)
    if layout.dtype.is_floating_point or layout.dtype.is_complex:
        memory.normal_(std=_SPREAD) if signed else memory.uniform_(_LEAST, _SPREAD)
    elif layout.dtype is torch.bool:
        memory.bernoulli_()
    else:
        memory.random_(0, limit)
    made = memory.as_strided(layout.shape, layout.stride)
    if with_gradients and argument.requires_grad:
        made = made.detach().requires_grad_()
    return made
