"""Conventions: what a flop is. Ours, PyTorch's, that of other tools, and six for each parameter and token.

A convention replaces ``flops`` in a report and is named in its settings. Shapes never appear in
weights and weights never in rules; the tools' own formulas stand in one file each.
"""

from __future__ import annotations

from collections.abc import Mapping

from nncost.counting.conventions.calflops import CALFLOPS
from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Tool
from nncost.counting.conventions.deepspeed import DEEPSPEED
from nncost.counting.conventions.fvcore import FVCORE
from nncost.counting.conventions.ptflops import PTFLOPS
from nncost.counting.conventions.ptflops_aten import PTFLOPS_ATEN
from nncost.counting.conventions.thop import THOP
from nncost.counting.conventions.torch_counter import TORCH
from nncost.counting.conventions.torchinfo import TORCHINFO
from nncost.counting.quantities import ARITHMETIC, ELEMENTARY
from nncost.errors import OptionError

__all__ = ["ANYWHERE", "CONVENTIONS", "CannotCount", "Convention", "Counted", "Tool", "convention_named"]

NNCOST = Convention(
    "nncost",
    "flops = mul + add + div + sqrt + cmp + one for each elementary function",
    weights=dict.fromkeys((*ARITHMETIC, *ELEMENTARY), 1),
)
SIX_N_D = Convention(
    "6nd",
    "flops = 2·N·D forward and 4·N·D backward: N parameters outside embedding layers, D tokens (Kaplan et al. 2020)",
    per_parameter={"forward": 2, "backward": 4},
)
CONVENTIONS: Mapping[str, Convention] = {
    convention.name: convention
    for convention in (
        NNCOST, TORCH, FVCORE, PTFLOPS, PTFLOPS_ATEN, THOP, TORCHINFO, CALFLOPS, DEEPSPEED, SIX_N_D,
    )
}  # fmt: skip
ANYWHERE = ", ".join(convention.name for convention in CONVENTIONS.values() if convention.anywhere)
"""The conventions that apply to every source."""


def convention_named(name: str) -> Convention:
    """The convention of that name. Raises OptionError with the names there are."""
    try:
        return CONVENTIONS[name]
    except KeyError:
        raise OptionError(
            f"unknown convention {name!r}", hint=f"Known conventions: {', '.join(CONVENTIONS)}."
        ) from None
