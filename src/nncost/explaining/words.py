"""Quantities in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.dims import Dim
from nncost.notation.written import tidied

WORDS: Mapping[str, str] = {
    "mul": "multiplications", "add": "additions", "div": "divisions", "sqrt": "square roots", "cmp": "comparisons",
    "exp": "exponentials", "log": "logarithms", "tanh": "tanh functions", "sigmoid": "sigmoid functions",
    "erf": "error functions", "sin": "sines", "cos": "cosines", "atan": "arc tangents", "pow": "powers",
    "random": "random numbers", "int_ops": "integer operations", "macs": "multiplications inside sums of products",
    "activations": "activations", "derivatives": "derivatives", "read_bytes": "bytes read",
    "write_bytes": "bytes written", "flops": "flops", "masked_macs": "products for scores that a causal mask hides",
}  # fmt: skip


def in_words(quantity: str) -> str:
    """Return ``Multiplications`` for ``mul``."""
    words = WORDS[quantity]
    return words[0].upper() + words[1:]


def some(amount: Dim, quantity: str) -> str:
    """Return ``12,960 multiplications``, ``1 division``."""
    first, *rest = WORDS[quantity].split(" ")
    first = first.removesuffix("s") if amount == 1 else first
    return f"{tidied(amount).text} {' '.join((first, *rest))}"


def listed(parts: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
