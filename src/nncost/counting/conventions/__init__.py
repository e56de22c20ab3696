"""Conventions: what a flop is. Ours, PyTorch's, that of other tools, and six for each parameter and token.

A convention replaces ``flops`` in a report and is named in its settings. Shapes never appear in
weights and weights never in rules; the tools' own formulas stand in one file each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Tool
from nncost.counting.quantities import ARITHMETIC, ELEMENTARY
from nncost.errors import Instead, OptionError
from nncost.names import nearest

__all__ = ["CONVENTIONS", "CannotCount", "Convention", "Counted", "Tool", "convention_named", "for_every_source"]

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
_TOOLS = {
    "torch": "torch_counter", "fvcore": "fvcore", "ptflops": "ptflops", "ptflops-aten": "ptflops_aten", "thop": "thop",
    "torchinfo": "torchinfo", "calflops": "calflops", "deepspeed": "deepspeed",
}  # fmt: skip
"""The file of each tool's convention, which is imported when the convention is asked for."""


class Conventions(Mapping[str, Convention]):
    """Every convention by its name."""

    def __getitem__(self, name: str) -> Convention:
        if name in _TOOLS:
            module = import_module(f"nncost.counting.conventions.{_TOOLS[name]}")
            return cast("Convention", getattr(module, name.upper().replace("-", "_")))
        return {"nncost": NNCOST, "6nd": SIX_N_D}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("nncost", *_TOOLS, "6nd"))

    def __len__(self) -> int:
        return len(_TOOLS) + 2


CONVENTIONS = Conventions()


def for_every_source() -> str:
    """The names of the conventions that apply to every source."""
    return ", ".join(convention.name for convention in CONVENTIONS.values() if convention.anywhere)


def convention_named(name: str) -> Convention:
    """The convention of that name. Raise OptionError with the names there are."""
    try:
        return CONVENTIONS[name]
    except KeyError:
        close = nearest(name, CONVENTIONS)
        hint = "" if close is None else f"Did you mean {close!r}? "
        raise OptionError(
            f"unknown convention {name[:60]!r}",
            hint=f"{hint}Known conventions: {', '.join(CONVENTIONS)}.",
            instead=None if close is None else Instead(name, close),
        ) from None
