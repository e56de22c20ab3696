"""Causal attention that PyTorch takes apart: which of its products are of scores that the mask hides.

Without a kernel for it (keys and values of different widths on a CPU, as in DeepSeek-V2), attention is two products of
matrices with a mask added between. They are noted while it runs, and so are their gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from nncost.dims import Dim, exact_divide, product
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain
from nncost.ir.graph import Tensor
from nncost.ir.library.sequence import hidden_scores

ATTENTION = torch.nn.functional.scaled_dot_product_attention
PRODUCTS: Mapping[str, tuple[str, str]] = {"aten::bmm": ("self", "mat2"), "aten::baddbmm": ("batch1", "batch2")}
"""Products of batches of matrices, with the names of their operands."""
HIDDEN = "hidden"
"""The name of what is added to the arguments of such a product: scores that are hidden, of how many."""
_NOTED = "nncost_hidden"
_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
Hidden = tuple[Dim, Dim]


class CausalProducts:
    """The products of causal attention in one run."""

    def __init__(self) -> None:
        self._now: Hidden | None = None

    @contextmanager
    def around(self, args: Any, kwargs: Any, sizes: Sizes | None) -> Iterator[list[Any]]:
        """Meanwhile a call of attention runs, whose result the caller puts into the list."""
        given = dict(zip(_NAMES, args, strict=False)) | kwargs
        results: list[Any] = []
        before = self._now
        if given.get("is_causal"):
            rows, columns = (plain(given[name].shape[-2], sizes) for name in ("query", "key"))
            self._now = hidden_scores(rows, columns, from_start=True), rows * columns
        try:
            yield results
            for result in results if self._now is not None else ():
                _note_nodes(result, self._now, [given[name] for name in ("query", "key", "value")])
        finally:
            self._now = before

    def of_operator(self, name: str, *, backward: bool) -> Hidden | None:
        """The scores that are hidden in an operator's products, if it is one of causal attention."""
        if name not in PRODUCTS:
            return None
        if not backward:
            return self._now
        node = torch._C._current_autograd_node()
        return None if node is None else node.metadata.get(_NOTED)


def _note_nodes(result: torch.Tensor, hidden: Hidden | None, operands: list[torch.Tensor]) -> None:
    """Note on the nodes between operands and result that they are of causal attention."""
    outside = {operand.grad_fn for operand in operands}
    waiting, seen = [result.grad_fn], set(outside)
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        node.metadata[_NOTED] = hidden
        waiting += [before for before, _ in node.next_functions]


def masked_products(name: str, hidden: Hidden | None, arguments: Mapping[str, Any]) -> Dim:
    """How many products of an operator are of scores that are hidden."""
    if hidden is None or name not in PRODUCTS:
        return 0
    left, right = (arguments[operand] for operand in PRODUCTS[name])
    assert isinstance(left, Tensor)
    assert isinstance(right, Tensor)
    return exact_divide(product(left.shape) * right.shape[-1] * hidden[0], hidden[1])
