"""Amounts of algorithms in closed form: scaled, added, on complex numbers."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.dims import Dim


def scaled(counts: Mapping[str, Dim], times: Dim) -> dict[str, Dim]:
    """The amounts, ``times`` over."""
    return {quantity: amount * times for quantity, amount in counts.items()}


def added(*parts: Mapping[str, Dim]) -> dict[str, Dim]:
    """The amounts of several steps together."""
    total: dict[str, Dim] = {}
    for part in parts:
        for quantity, amount in part.items():
            total[quantity] = total.get(quantity, 0) + amount
    return total


def in_complex(counts: Mapping[str, Dim], dtype: str) -> dict[str, Dim]:
    """Amounts of an algorithm on complex numbers in real operations: a product is 4 mul and 2 add, a sum 2 add."""
    if not dtype.startswith("complex"):
        return dict(counts)
    mul, add, div = (counts.get(quantity, 0) for quantity in ("mul", "add", "div"))
    rest = {quantity: amount for quantity, amount in counts.items() if quantity not in ("mul", "add", "div")}
    return {"mul": 4 * mul, "add": 2 * mul + 2 * add, "div": 2 * div, **rest}
