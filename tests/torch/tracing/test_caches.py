"""Caches that a forward pass fills are emptied: a module that was counted still runs on real tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import torch
from torch import nn

import nncost


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator whose cache is in its closure alone."""
    cached = lru_cache(maxsize=4)(function)

    @wraps(function)
    def wrapper(*args: Any) -> Any:
        return cached(*args)

    return wrapper


class Positions(nn.Module):
    """Positions are made once for each length."""

    @remembered
    def table(self, length: int) -> torch.Tensor:
        return torch.arange(length).float()[:, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table(x.shape[0])


def test_a_cache_in_a_closure_holds_no_stand_in() -> None:
    module = Positions()
    assert nncost.count(module, (3, 2)).complete
    assert module(torch.zeros(3, 2)).tolist() == [[0, 0], [1, 1], [2, 2]]
