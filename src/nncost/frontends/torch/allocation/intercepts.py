"""Functions of PyTorch that a dispatch mode cannot see into, told apart while a step is followed.

Their names are given other functions for that time, which say what runs and call the same; afterwards
the names are as before, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

_ADD_A_BIAS = ("gru", "lstm", "rnn_tanh", "rnn_relu")
"""Functions that add a bias to a product of their own, besides ``linear``."""


@contextmanager
def calls_noted(adds_bias: Callable[[int], None], made: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """``adds_bias(±1)`` when a function that adds a bias begins and ends; ``made(state)`` for a random state."""
    recurrent: dict[str, Any] = vars(torch._VF)
    places: list[tuple[dict[str, Any], str, Any]] = [
        (vars(functional), "linear", _telling(functional.linear, adds_bias)),
        *((recurrent, name, _telling(getattr(torch._VF, name), adds_bias)) for name in _ADD_A_BIAS),
        (vars(torch), "get_rng_state", _showing(torch.get_rng_state, made)),
        (vars(torch.random), "get_rng_state", _showing(torch.random.get_rng_state, made)),
    ]
    before = [(names, name, names.get(name)) for names, name, _ in places]
    try:
        for names, name, function in places:
            names[name] = function
        yield
    finally:
        for names, name, function in before:
            if function is None:
                del names[name]
            else:
                names[name] = function


def _telling(function: Any, adds_bias: Callable[[int], None]) -> Any:
    def told(*args: Any, **kwargs: Any) -> Any:
        adds_bias(1)
        try:
            return function(*args, **kwargs)
        finally:
            adds_bias(-1)

    return told


def _showing(function: Any, made: Callable[[torch.Tensor], None]) -> Any:
    def shown() -> torch.Tensor:
        state: torch.Tensor = function()
        made(state)
        return state

    return shown
