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


def real_arguments(recorded: OpRecord) -> tuple[list[Any], dict[str, Any]]:
    """Arguments like those recorded. Whole numbers lie within the smallest size that they could index."""
    limit = _limit(recorded)
    with_gradients = recorded.phase in ("forward", "loss") and not recorded.operator._schema.is_mutable

    signed = recorded.phase != "update"  # an optimizer takes roots of what it keeps

    def real(value: Any) -> Any:
        return _tensor(value, limit, with_gradients, signed) if isinstance(value, Argument) else value

    args, kwargs = tree_map(real, (list(recorded.args), dict(recorded.kwargs)))
    return list(with_workspace(recorded.operator, tuple(args))), kwargs


def _limit(recorded: OpRecord) -> int:
    """No index may be larger than the smallest extent of the floating-point arguments."""
    extents = [size for a in recorded.tensors() if a.dtype.is_floating_point and len(a.shape) for size in a.shape]
    extents += [a for a in recorded.args if isinstance(a, int) and not isinstance(a, bool) and a > 0]
    return max(1, min(extents, default=1))


def _tensor(argument: Argument, limit: int, with_gradients: bool, signed: bool) -> torch.Tensor:
    extent = 1 + sum((size - 1) * abs(stride) for size, stride in zip(argument.shape, argument.stride, strict=True))
    extent = 0 if 0 in argument.shape else extent
    memory = torch.empty(extent, dtype=argument.dtype)
    if argument.dtype.is_floating_point or argument.dtype.is_complex:
        memory.normal_(std=_SPREAD) if signed else memory.uniform_(_LEAST, _SPREAD)
    elif argument.dtype is torch.bool:
        memory.bernoulli_()
    else:
        memory.random_(0, limit)
    made = memory.as_strided(argument.shape, argument.stride)
    if with_gradients and argument.requires_grad:
        made = made.detach().requires_grad_()
    return made
