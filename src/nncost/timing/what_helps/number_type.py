"""Numbers of another type."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from nncost.frontends.torch.inputs import floating_dtype
from nncost.timing.what_helps.trial import Attempt, Case, Variant

SHORT = (torch.bfloat16, torch.float16)


def number_type(case: Case) -> Iterator[Attempt]:
    """bfloat16 in place of float32, and float32 in place of a shorter type.

    Trained parameters stay in float32: their updates are too small for bfloat16.
    """
    dtype = floating_dtype(case.subject.module)
    if dtype in SHORT:
        name = str(dtype).removeprefix("torch.")
        yield Attempt(f"float32 instead of {name}", "module.float()", Variant(module=partial(Converted, torch.float32)))
    elif dtype is torch.float32 and case.trains:
        do = 'torch.autocast("cpu", torch.bfloat16)'
        yield Attempt("bfloat16 where autocast has it", do, Variant(module=Autocast))
    elif dtype is torch.float32:
        do = "module.to(torch.bfloat16)"
        yield Attempt("bfloat16 instead of float32", do, Variant(module=partial(Converted, torch.bfloat16)))


class Converted(nn.Module):
    """A module with its numbers in another type; what it takes and returns has the types as before."""

    def __init__(self, dtype: torch.dtype, module: nn.Module) -> None:
        super().__init__()
        self._before, self._dtype = floating_dtype(module), dtype
        self.module = module.to(dtype)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward."""
        args, kwargs = _converted((args, kwargs), self._dtype)
        return _converted(self.module(*args, **kwargs), self._before)


class Autocast(nn.Module):
    """A module that runs under autocast; what it returns has the type as before."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._before, self.module = floating_dtype(module), module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward."""
        with torch.autocast("cpu", torch.bfloat16):
            result = self.module(*args, **kwargs)
        return _converted(result, self._before)


def _converted(values: Any, dtype: torch.dtype) -> Any:
    def convert(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    return tree_map(convert, values)
