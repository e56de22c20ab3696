"""Operators that PyTorch runs in place only outside a dispatch mode.

In some formulas PyTorch asks whether a tensor is of a special kind, and allocates a new one if so: under a
dispatch mode every tensor is. Such a call is recognised here by what is seen of it: its first operand dies
as soon as the call has run.
"""

from __future__ import annotations

from typing import Any

import torch

from nncost.frontends.torch.allocation.memory_call import MemoryCall

_ADD = torch.ops.aten.add.Tensor
_AXES_OF_SUM = 3
"""A product of two axes includes its bias; from three axes on, the bias is added."""
_INPLACE_FORMS = {
    torch.ops.aten.scatter.src: torch.ops.aten.scatter_.src,
    torch.ops.aten.scatter.value: torch.ops.aten.scatter_.value,
    torch.ops.aten.scatter_add.default: torch.ops.aten.scatter_add_.default,
    torch.ops.aten.index_add.default: torch.ops.aten.index_add_.default,
    torch.ops.aten.index_copy.default: torch.ops.aten.index_copy_.default,
    torch.ops.aten.index_put.default: torch.ops.aten.index_put_.default,
    torch.ops.aten.masked_fill.Scalar: torch.ops.aten.masked_fill_.Scalar,
    torch.ops.aten.masked_fill.Tensor: torch.ops.aten.masked_fill_.Tensor,
}
"""Operators by which a gradient's formula fills memory of its own, and the in-place form it really calls."""

OTHER_FORMULA = {"ProdBackward0", "ProdBackward1"}
"""Gradients that look at values, and run another formula on fake tensors: what they take is not known."""
_WRITES_OVER = {"BinaryCrossEntropyWithLogitsBackward0"}
_ELEMENTWISE = {torch.ops.aten.sub.Tensor, torch.ops.aten.mul.Tensor, torch.ops.aten.div.Tensor}
"""Gradients whose formula really computes in place, in memory of its own."""
REUSING = {_ADD, *_INPLACE_FORMS, *_ELEMENTWISE}
"""Operators that may reuse their first operand's memory."""


def may_be_in_place(
    call: MemoryCall, tensors: list[torch.Tensor], node: Any, maker: int | None, *, adds_bias: bool
) -> tuple[bool, MemoryCall | None]:
    """Whether a call would reuse its first operand's memory if nothing else held it, and its in-place form if that takes more.

    ``node`` is the autograd node that runs, ``maker`` the number of the one that made the first operand;
    ``adds_bias``: the call is inside a function that adds a bias to a product of its own.
    """
    operator = call.operator
    if operator is _ADD and len(tensors) > 1:
        if node is None:
            return adds_bias and tensors[1].dim() == 1 and tensors[0].dim() >= _AXES_OF_SUM, None
        # A view has two owners, itself and its base.
        own = sums_gradients(node, maker) and not torch.is_grad_enabled()
        return own and not tensors[0]._is_view(), None
    if operator in _ELEMENTWISE:
        return node is not None and maker == node._sequence_nr() and node.name() in _WRITES_OVER, None
    if operator in _INPLACE_FORMS and node is not None and maker == node._sequence_nr():
        return True, MemoryCall(
            _INPLACE_FORMS[operator], call.args, call.kwargs, results=1, macs=call.macs, bytes=call.bytes
        )
    return False, None


def sums_gradients(node: Any, maker: int | None) -> bool:
    """Whether an addition is autograd's own: of what another node produced, or of two gradients that a node produces for one tensor."""
    if maker != node._sequence_nr():
        return True
    targets = [target for target in node.next_functions if target[0] is not None]
    return len(set(targets)) < len(targets)
