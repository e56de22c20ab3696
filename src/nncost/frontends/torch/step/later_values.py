"""Values of constants that are large, or whose sizes are symbols: worked out only if the model asks for them.

Transformers asks of the positions it counts from 0 whether they are those of one sequence. What was done to a constant
is noted without the tensors, whose memory ends as it did. With symbols for sizes it is worked out at several numbers,
and known if it is the same at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils._pytree import tree_map

from nncost.dims import Dim, substitute, symbol
from nncost.errors import SymbolError
from nncost.frontends.torch.step.fake_tensors import is_fake, tensors_in
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain

MOST_LATER = 1 << 24
"""Tensors of more elements are not worked out."""
_LATER, _SPOILT = "_nncost_later", "_nncost_memory"
_TIMES = (1, 2, 3, 16)
"""Of the numbers that stand for symbols, the multiples at which a value must be the same."""


@dataclass(eq=False, slots=True)
class Later:
    """One of the results of an operator on constants; ``memory`` says whether what it lies in has been written to."""

    operator: Any
    args: Any
    kwargs: Any
    place: int
    memory: list[bool]
    sizes: Sizes | None


def has_later(tensor: torch.Tensor) -> bool:
    """Whether a fake tensor's values can be worked out."""
    return hasattr(tensor, _LATER)


def note_later(operator: Any, args: Any, kwargs: Any, result: Any, sizes: Sizes | None, known: Any) -> None:
    """Note how a result can be worked out, if all operands can; ``known`` gives an operand's values, or None."""
    missing = False

    def noted(value: Any) -> Any:
        nonlocal missing
        if not isinstance(value, torch.Tensor):
            return value
        found = getattr(value, _LATER, None) if is_fake(value) else None
        if found is None and (own := known(value)) is not None:
            found = own.clone()  # operators that write to the tensor write to its values too
        missing = missing or found is None
        return found

    given, named = tree_map(noted, (args, kwargs))
    results = tensors_in(result)
    if missing or not results or not all(map(_is_moderate, results)):
        return
    for place, tensor in enumerate(results):
        if is_fake(tensor) and tensor.layout is torch.strided:
            setattr(tensor, _LATER, Later(operator, given, named, place, _memory_of(tensor), sizes))


def note_spoilt(tensor: torch.Tensor) -> None:
    """Note that a tensor was written to: what lies in its memory is no longer known."""
    if tensor.layout is torch.strided:
        found: list[bool] | None = getattr(tensor.untyped_storage(), _SPOILT, None)
        if found is not None:
            found[0] = True


def worked_out(tensor: torch.Tensor) -> torch.Tensor | None:
    """The values of a fake tensor; None if they cannot be worked out, or depend on what symbols stand for."""
    later: Later | None = getattr(tensor, _LATER, None)
    if later is None:
        return None
    sizes = later.sizes
    if sizes is None or not sizes.numbers:
        return _evaluated(later, {})
    numbers = [{name: number * times for name, number in sizes.numbers.items()} for times in _TIMES]
    values = [_evaluated(later, {symbol(name): number for name, number in at.items()}) for at in numbers]
    first = values[0]
    if first is None or any(value is None or not torch.equal(value, first) for value in values):
        return None
    sizes.compared = numbers
    return first


def _is_moderate(tensor: torch.Tensor) -> bool:
    sizes = [size for size in tensor.shape if isinstance(size, int)]
    return len(sizes) < tensor.dim() or prod(sizes) <= MOST_LATER


def _memory_of(tensor: torch.Tensor) -> list[bool]:
    """What all views of a tensor's memory have in common."""
    storage: Any = tensor.untyped_storage()
    found: list[bool] | None = getattr(storage, _SPOILT, None)
    if found is None:
        found = [False]
        setattr(storage, _SPOILT, found)
    return found


def _evaluated(later: Later, numbers: Mapping[Dim, Dim]) -> torch.Tensor | None:
    done: dict[int, Any] = {}

    def value(given: Any) -> Any:
        if isinstance(given, Later):
            if id(given) not in done:
                if given.memory[0]:
                    raise _UnknownError
                args, kwargs = tree_map(value, (given.args, given.kwargs))
                done[id(given)] = tensors_in(given.operator(*args, **kwargs))[given.place]
            return done[id(given)]
        if isinstance(given, (torch.SymInt, torch.SymBool, torch.SymFloat)):
            return int(substitute(plain(given, later.sizes), numbers))
        return given

    try:
        with torch.utils._python_dispatch._disable_current_modes():
            found: torch.Tensor = value(later)
            return found
    except (
        _UnknownError,
        SymbolError,
        RecursionError,
        RuntimeError,
        NotImplementedError,
        TypeError,
        ValueError,
        IndexError,
    ):
        return None


class _UnknownError(Exception):
    """A constant was written to."""
