"""Small tensors of float64, and samples made of them."""

from __future__ import annotations

from typing import Any

import torch

from tests.torch.lowerings.running import Sample

_GENERATOR = torch.Generator().manual_seed(0)


def rand(*shape: int) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(shape, dtype=torch.float64, generator=_GENERATOR)


def positive(*shape: int) -> torch.Tensor:
    """Numbers between 0.1 and 0.9."""
    return torch.rand(shape, dtype=torch.float64, generator=_GENERATOR) * 0.8 + 0.1


def ints(high: int, *shape: int) -> torch.Tensor:
    """Whole numbers from zero."""
    return torch.randint(high, shape, generator=_GENERATOR)


def spd(n: int) -> torch.Tensor:
    """A symmetric positive definite matrix."""
    x = rand(n, n)
    return x @ x.T + n * torch.eye(n, dtype=torch.float64)


def sample(
    operator: str, *args: Any, results: tuple[int, ...] | None = None, counted: bool = True, **kwargs: Any
) -> Sample:
    """One call of ``aten::operator`` (or of another namespace's)."""
    return Sample(operator if "::" in operator else f"aten::{operator}", args, kwargs, results, counted)
