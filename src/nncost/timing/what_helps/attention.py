"""Attention as one operator, in place of a product, a softmax and another product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from nncost.frontends.torch.allocation.recorder import OpRecord, record_step
from nncost.records import record, replace
from nncost.timing.what_helps.trial import Attempt, Case, Part, Variant

_PRODUCTS = {torch.ops.aten.bmm.default, torch.ops.aten.baddbmm.default}
_SOFTMAX = torch.ops.aten._softmax.default
_BETWEEN = 6
"""Operators between a product and the softmax, at most: a scale, a mask, a conversion."""
_MASK_AXES = 2
FUSED = "torch.nn.functional.scaled_dot_product_attention"


_CHOOSE, _EAGER, _ONE = "set_attn_implementation", "eager", "sdpa"
"""How models of transformers are told (5.23): the method, what they do now, and what they are to do."""


def _chosen(module: nn.Module) -> nn.Module:
    getattr(module, _CHOOSE)(_ONE)
    return module


@record
class Attention:
    """The sizes of a product, softmax, product: ``heads`` are those of all examples together."""

    heads: int
    queries: int
    keys: int
    width: int
    value_width: int
    masked: bool
    dtype: torch.dtype


def fused_attention(case: Case) -> Iterator[Attempt]:
    """Attention that a network computes by products and a softmax: transformers' own way out, else each kind alone."""
    if not case.report.forward["exp"]:
        return  # no softmax
    config = getattr(case.subject.module, "config", None)
    if getattr(config, "_attn_implementation", None) == _EAGER and hasattr(case.subject.module, _CHOOSE):
        yield Attempt("attention as one operator", f'module.{_CHOOSE}("{_ONE}")', Variant(module=_chosen))
        return
    steps = replace(case.subject.options.steps, loss=None, optimizer=None)
    options = replace(case.subject.options, steps=steps, training=False)
    recording = record_step(case.subject.module, case.subject.given, options)
    for found, times in Counter(attentions(recording.operators)).items():
        layers = "attention" if times == 1 else f"the {times} attentions"
        now, then = _runs(found, trains=case.trains)
        yield Attempt(f"{layers} as one operator", FUSED, Part(now, then, times))


def attentions(operators: Sequence[OpRecord]) -> Iterator[Attention]:
    """The attentions among a forward pass's operators."""
    makers: dict[int, OpRecord] = {}
    masked: set[int] = set()
    softmaxed: dict[int, tuple[OpRecord, bool]] = {}
    for call in operators:
        tensors = call.tensors()
        if not tensors or not call.results or call.is_view:
            continue
        first, made = tensors[0].storage, call.results[0].storage
        if call.operator is _SOFTMAX:
            product = _product_behind(first, makers, masked)
            softmaxed |= {} if product is None else {made: product}
        elif call.operator in _PRODUCTS and tensors[-2].storage in softmaxed:
            yield _attention(*softmaxed[tensors[-2].storage], call)
        elif call.operator not in _PRODUCTS and first in softmaxed:
            softmaxed[made] = softmaxed[first]  # dropout, a copy
        if made in {tensor.storage for tensor in tensors}:
            masked |= {made} if _has_another(call) else set()  # in place
        else:
            makers[made] = call


def _product_behind(
    storage: int, makers: Mapping[int, OpRecord], masked: AbstractSet[int]
) -> tuple[OpRecord, bool] | None:
    """The product that scores come from, and whether a mask was laid on them."""
    is_masked = False
    for _ in range(_BETWEEN):
        call = makers.get(storage)
        is_masked = is_masked or storage in masked
        if call is None or call.operator in _PRODUCTS:
            return None if call is None else (call, is_masked)
        largest = max(call.tensors(), key=lambda tensor: tensor.bytes)
        is_masked = is_masked or _has_another(call)
        storage = largest.storage
    return None


def _has_another(call: OpRecord) -> bool:
    """Whether a second tensor goes into it that is more than a number for each score: a mask, or a bias by position."""
    return sum(len(tensor.layout.shape) >= _MASK_AXES for tensor in call.tensors()) > 1


def _attention(scores: OpRecord, masked: bool, values: OpRecord) -> Attention:
    left, right = scores.tensors()[-2:]
    heads, queries, width = left.layout.shape
    return Attention(heads, queries, right.layout.shape[-1], width, values.tensors()[-1].layout.shape[-1], masked, left.layout.dtype)  # fmt: skip


class _Tensors:
    """Queries, keys, values and a mask of an attention's sizes."""

    def __init__(self, sizes: Attention, *, trains: bool) -> None:
        def made(rows: int, width: int) -> torch.Tensor:
            return torch.randn(1, sizes.heads, rows, width, dtype=sizes.dtype, requires_grad=trains)

        self.query, self.key = made(sizes.queries, sizes.width), made(sizes.keys, sizes.width)
        self.value = made(sizes.keys, sizes.value_width)
        self.mask = torch.zeros(sizes.queries, sizes.keys, dtype=sizes.dtype) if sizes.masked else None
        self.trains = trains

    def finish(self, result: torch.Tensor) -> None:
        """The backward pass of it, where there is one."""
        if self.trains:
            torch.autograd.grad(result, (self.query, self.key, self.value), torch.ones_like(result))


def _runs(sizes: Attention, *, trains: bool) -> tuple[partial[None], partial[None]]:
    tensors = _Tensors(sizes, trains=trains)
    return partial(by_products, tensors), partial(as_one, tensors)


def by_products(t: _Tensors) -> None:
    """A product, a scale, a mask, a softmax and a product."""
    with torch.set_grad_enabled(t.trains):
        scores = t.query @ t.key.transpose(-2, -1) * t.query.shape[-1] ** -0.5
        scores = scores if t.mask is None else scores + t.mask
        t.finish(scores.softmax(-1) @ t.value)


def as_one(t: _Tensors) -> None:
    """The same as one operator."""
    with torch.set_grad_enabled(t.trains):
        t.finish(functional.scaled_dot_product_attention(t.query, t.key, t.value, attn_mask=t.mask))
