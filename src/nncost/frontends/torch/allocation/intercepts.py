"""Functions of PyTorch that a dispatch mode cannot see into, intercepted while a step runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nncost.frontends.torch.step.flex_attention import FLEX_ATTENTION
from nncost.frontends.torch.step.functions import StepFunctions

_ADDING_A_BIAS = {
    functional.linear, functional.multi_head_attention_forward, functional.scaled_dot_product_attention, torch.lstm,
    torch.gru, torch.rnn_tanh, torch.rnn_relu,
}  # fmt: skip
"""Functions that add a bias, or a mask, to a product of their own."""
_POOLING = {functional.max_pool1d, torch.max_pool1d}
"""Functions that keep no positions of what they choose, where no gradient needs them."""
_CHECKING = {torch.quantile, torch.nanquantile, torch.Tensor.quantile, torch.Tensor.nanquantile,
             FLEX_ATTENTION}  # fmt: skip
"""Functions that take other memory on real tensors: they look at values there, or are not written out."""
FUSABLE = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)
"""Layers that are not fused while a function mode is on; all their products have a bias of their own."""


class BiasedProducts(StepFunctions):
    """While it is on, ``depth`` is above zero inside functions that add a bias to a product of their own.

    ``pools``: inside one that chooses the largest along an axis.
    ``unknown`` gathers the names of functions that take something else on real tensors.
    """

    def __init__(self, unknown: dict[str, None]) -> None:
        super().__init__()
        self.depth = 0
        self.pools = False
        self._unknown = unknown

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _CHECKING:
            self._unknown[function.__name__] = None
        if function not in _ADDING_A_BIAS:
            self.pools = function in _POOLING
            return super().__torch_function__(function, types, args, kwargs)
        with self._one():
            return super().__torch_function__(function, types, args, kwargs)

    @contextmanager
    def inside_one(self) -> Iterator[None]:
        """Inside such a function, and without the mode."""
        with torch._C.DisableTorchFunction(), self._one():
            yield

    @contextmanager
    def _one(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


@contextmanager
def random_states(allocated: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Tell the random states that are copied: a checkpoint keeps one, which no operator and no function mode sees.

    The name is bound to a function that also tells it; afterwards the name is as before.
    """
    original = torch.get_rng_state

    def told() -> torch.Tensor:
        state = original()
        allocated(state)
        return state

    names = (vars(torch), vars(torch.random))
    try:
        for owner in names:
            owner["get_rng_state"] = told
        yield
    finally:
        for owner in names:
            owner["get_rng_state"] = original
