"""Conventions: what a flop is, as a row of weights over the ledger's quantities.

Shapes never appear here and weights never appear in rules. A convention replaces ``flops`` in a
report and is named in its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nncost.counting.quantities import ARITHMETIC, ELEMENTARY, Quantity
from nncost.errors import OptionError


@dataclass(frozen=True, slots=True)
class Convention:
    """A name, one sentence, and how much of each quantity makes up ``flops``."""

    name: str
    summary: str
    weights: Mapping[Quantity, int]


CONVENTIONS: Mapping[str, Convention] = {
    convention.name: convention
    for convention in (
        Convention(
            "nncost",
            "flops = mul + add + div + sqrt + cmp + one for each elementary function",
            dict.fromkeys((*ARITHMETIC, *ELEMENTARY), 1),
        ),
        Convention(
            "torch",
            "flops = 2·macs: PyTorch's FlopCounterMode counts contractions only, two for each product",
            {"macs": 2},
        ),
    )
}


def convention_named(name: str) -> Convention:
    """The convention of that name. Raises OptionError with the names there are."""
    try:
        return CONVENTIONS[name]
    except KeyError:
        raise OptionError(
            f"unknown convention {name!r}", hint=f"Known conventions: {', '.join(CONVENTIONS)}."
        ) from None
