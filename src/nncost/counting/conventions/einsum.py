"""An einsum's cost as NumPy prints it: what fvcore, calflops and DeepSpeed read out of a text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from nncost.counting.conventions.convention import CannotCount

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def renamed(equation: str) -> str:
    """The equation without spaces, its letters in the order of the alphabet."""
    equation = equation.replace(" ", "")
    order = dict.fromkeys(letter for letter in equation if letter.isalpha())
    return equation.translate({ord(letter): LETTERS[place] for place, letter in enumerate(order)})


@cache
def printed_flops(equation: str, shapes: Sequence[tuple[int, ...]]) -> float:
    """The "optimized FLOP count" of ``numpy.einsum_path``, which prints four digits."""
    import numpy as np

    arrays = [np.broadcast_to(np.zeros(()), shape) for shape in shapes]
    text = np.einsum_path(equation, *arrays, optimize="optimal")[1]
    for line in text.split("\n"):
        if "optimized flop" in line.lower():
            return float(line.split(":")[-1])
    raise CannotCount("einsum")
