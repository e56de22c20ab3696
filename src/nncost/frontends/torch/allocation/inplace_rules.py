"""Operators that PyTorch runs in place only outside a dispatch mode.

In some formulas PyTorch asks whether a tensor is of a special kind, and allocates a new one if so: under a
dispatch mode every tensor is. Such a call is recognised here by what is seen of it: its first operand dies
as soon as the call has run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import FunctionCtx

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
    torch.ops.aten.index_fill.int_Scalar: torch.ops.aten.index_fill_.int_Scalar,
    torch.ops.aten.index_fill.int_Tensor: torch.ops.aten.index_fill_.int_Tensor,
    torch.ops.aten.put.default: torch.ops.aten.put_.default,
}
"""Operators by which a gradient's formula fills memory of its own, and the in-place form it really calls."""

_OTHER_FORMULA = {
    "ProdBackward0", "ProdBackward1", "CumprodBackward0", "MaxBackward1", "MinBackward1", "MedianBackward0",
    "NanmedianBackward0", "OrmqrBackward0", "LinalgHouseholderProductBackward0",
}  # fmt: skip
"""Gradients that look at values, or run another formula on fake tensors: what they take is not known."""
OTHER_KERNELS = {torch.ops.aten._ctc_loss.Tensor, torch.ops.aten._ctc_loss_backward.Tensor}
"""Operators that make other tensors of the values of their operands first: what they take is not known."""
_OTHER_FOR_ONE_OPERAND = {"MaskedFillBackward1": torch.ops.aten.where.self}
"""The same for the gradient of one of their operands, which begins with this operator."""
_FILLS_ANEW = {"ScatterReduceBackward0", "IndexReduceBackward0"}
"""Gradients whose formula does not fill memory of its own in place."""
_PRODUCTS = {torch.ops.aten.bmm.default, torch.ops.aten.mm.default}
"""What a function makes that then adds a bias, or a mask, in place."""
_NEGATED = torch.ops.aten.neg.default
_WRITES_OVER = {
    "BinaryCrossEntropyWithLogitsBackward0": {
        torch.ops.aten.sub.Tensor, torch.ops.aten.mul.Tensor, torch.ops.aten.div.Tensor
    },
    "AminmaxBackward0": {_ADD},
    "LinalgEighBackward0": {torch.ops.aten.diagonal_scatter.default},
    "ClampBackward0": {torch.ops.aten.logical_and.default, torch.ops.aten.logical_or.default},
    "ClampBackward1": {torch.ops.aten.logical_and.default, torch.ops.aten.logical_or.default},
}  # fmt: skip
"""Gradients whose formula really computes in place, in memory of its own, with these operators."""
REUSING = {_ADD, *_INPLACE_FORMS}.union(*_WRITES_OVER.values())
"""Operators that may reuse their first operand's memory."""


class Maker(NamedTuple):
    """What made a tensor: the number of the autograd node that ran, and the operator."""

    node: int | None = None
    operator: Any = None


class Reuse(NamedTuple):
    """A call that reuses its first operand's memory: ``surely``, or if nothing else holds that.

    ``form`` is the in-place form if that takes more.
    """

    surely: bool = False
    form: MemoryCall | None = None


def runs_other_formula(node: Any, operator: Any) -> bool:
    """Whether the autograd node that runs this operator takes something else on real tensors."""
    name = node.name()
    return name in _OTHER_FORMULA or _OTHER_FOR_ONE_OPERAND.get(name) is operator


def reuse_of(
    call: MemoryCall, tensors: list[torch.Tensor], node: Any, maker: Maker, *, adds_bias: bool
) -> Reuse | None:
    """How a call would reuse its first operand's memory; None if it would not.

    ``node`` is the autograd node that runs, ``maker`` what made the first operand;
    ``adds_bias``: the call is inside a function that adds a bias to a product of its own.
    """
    operator = call.operator
    if operator is _ADD and adds_bias:
        return Reuse() if _is_added_in_place(tensors, maker) else None
    if node is None:
        return None
    is_own = maker.node == node._sequence_nr() and not _is_users_code(node)
    if is_own and operator in _WRITES_OVER.get(node.name(), ()) and maker.operator is not _NEGATED:
        return None if torch.is_grad_enabled() else Reuse(surely=True)
    if operator is _ADD and len(tensors) > 1:
        # A view has two owners, itself and its base.
        own = sums_gradients(node, maker) and not torch.is_grad_enabled()
        return Reuse() if own and not tensors[0]._is_view() else None
    if is_own and operator in _INPLACE_FORMS and node.name() not in _FILLS_ANEW:
        form = _INPLACE_FORMS[operator]
        return Reuse(form=MemoryCall(form, call.args, call.kwargs, results=1, macs=call.macs, bytes=call.bytes))
    return None


def _is_added_in_place(tensors: list[torch.Tensor], maker: Maker) -> bool:
    """Whether a function adds to a product of its own: a bias, or a mask to the scores of attention."""
    if len(tensors) < 2:  # a number is added
        return False
    is_bias = tensors[1].dim() == 1 and tensors[0].dim() >= _AXES_OF_SUM
    return is_bias or maker.operator in _PRODUCTS


def _is_users_code(node: Any) -> bool:
    """Whether what runs is not the node's own formula: a gradient written in Python, or a part of the model again."""
    hooks: Any = torch._C._autograd
    return isinstance(node, FunctionCtx) or (
        torch.is_grad_enabled() and hooks._top_saved_tensors_default_hooks(True) is not None
    )


def sums_gradients(node: Any, maker: Maker) -> bool:
    """Whether an addition is autograd's own: of what another node produced, or of two gradients that a node produces for one tensor."""
    if maker.node != node._sequence_nr():
        return True
    targets = [target for target in node.next_functions if target[0] is not None]
    return len(set(targets)) < len(targets)
