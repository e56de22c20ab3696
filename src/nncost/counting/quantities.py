"""The primitive quantities a ledger is made of, and the groups that views add up."""

from __future__ import annotations

from typing import Literal

Quantity = Literal[
    "mul", "add", "div", "sqrt", "cmp",
    "exp", "log", "tanh", "sigmoid", "erf", "sin", "cos", "atan", "pow",
    "random", "int_ops",
    "macs", "masked_macs", "activations", "derivatives", "read_bytes", "write_bytes", "flops",
]  # fmt: skip

ARITHMETIC: tuple[Quantity, ...] = ("mul", "add", "div", "sqrt", "cmp")
"""Operations of the arithmetic unit."""

ELEMENTARY: tuple[Quantity, ...] = ("exp", "log", "tanh", "sigmoid", "erf", "sin", "cos", "atan", "pow")
"""Elementary functions, each counted as one of its kind."""

PRIMITIVE: tuple[Quantity, ...] = (*ARITHMETIC, *ELEMENTARY, "random", "int_ops")
"""What a self-counting run records."""

TRAFFIC: tuple[Quantity, ...] = ("read_bytes", "write_bytes")

ALL: tuple[Quantity, ...] = (*PRIMITIVE, "macs", "masked_macs", "activations", "derivatives", *TRAFFIC)
"""Every quantity in the order reports print them.

``macs`` are the multiplications inside contractions; ``masked_macs`` are those of them that belong to
scores a causal mask hides, which a kernel may leave out.
"""
