"""What runs in place where nobody watches.

PyTorch asks in some places whether a tensor is of a special kind, and takes new memory where it is: under
a dispatch mode every tensor counts as special. Each such place is told here from what is seen of it: the
first operand dies as soon as the call has run.
"""

from __future__ import annotations

from typing import Any

import torch

from nncost.frontends.torch.allocation.call_record import Called

_ADD = torch.ops.aten.add.Tensor
_FIRST_AXES = 3
"""A product of two axes takes its bias along; from three on, it is added."""
_INSIDE = {
    torch.ops.aten.scatter.src: torch.ops.aten.scatter_.src,
    torch.ops.aten.scatter.value: torch.ops.aten.scatter_.value,
    torch.ops.aten.scatter_add.default: torch.ops.aten.scatter_add_.default,
    torch.ops.aten.index_add.default: torch.ops.aten.index_add_.default,
    torch.ops.aten.index_copy.default: torch.ops.aten.index_copy_.default,
    torch.ops.aten.index_put.default: torch.ops.aten.index_put_.default,
    torch.ops.aten.masked_fill.Scalar: torch.ops.aten.masked_fill_.Scalar,
    torch.ops.aten.masked_fill.Tensor: torch.ops.aten.masked_fill_.Tensor,
}
"""Operators by which a gradient's formula fills memory of its own, and what it calls where nobody watches."""

OTHERWISE = {"ProdBackward0", "ProdBackward1"}
"""Gradients that look at values, and run another formula where there are none: what they take is not known."""
_WRITES_OVER = {"BinaryCrossEntropyWithLogitsBackward0"}
_ELEMENTWISE = {torch.ops.aten.sub.Tensor, torch.ops.aten.mul.Tensor, torch.ops.aten.div.Tensor}
"""Gradients whose formula computes elementwise in memory of its own, where nobody watches."""
WATCHED = {_ADD, *_INSIDE, *_ELEMENTWISE}
"""Operators that may run in place where nobody watches."""


def may_be_in_place(
    called: Called, tensors: list[torch.Tensor], node: Any, maker: int | None, *, adds_bias: bool
) -> tuple[bool, Called | None]:
    """Whether a call would write to its first operand if that is not held, and what it would call (None: no more).

    ``node`` is the autograd node that runs, ``maker`` the number of the one that made the first operand;
    ``adds_bias``: a function runs that adds a bias to a product of its own.
    """
    operator = called.operator
    if operator is _ADD and len(tensors) > 1:
        if node is None:
            return adds_bias and tensors[1].dim() == 1 and tensors[0].dim() >= _FIRST_AXES, None
        # A view has two owners, itself and its base.
        own = sums_gradients(node, maker) and not torch.is_grad_enabled()
        return own and not tensors[0]._is_view(), None
    if operator in _ELEMENTWISE:
        return node is not None and maker == node._sequence_nr() and node.name() in _WRITES_OVER, None
    if operator in _INSIDE and node is not None and maker == node._sequence_nr():
        return True, Called(
            _INSIDE[operator], called.args, called.kwargs, results=1, macs=called.macs, bytes=called.bytes
        )
    return False, None


def sums_gradients(node: Any, maker: int | None) -> bool:
    """Whether an addition is autograd's own: of what another node gave, or of two gradients a node gives one tensor."""
    if maker != node._sequence_nr():
        return True
    targets = [target for target in node.next_functions if target[0] is not None]
    return len(set(targets)) < len(targets)
