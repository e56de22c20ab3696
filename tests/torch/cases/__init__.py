"""Modules with hand-derived counts: the truth that the tracer of PyTorch modules is tested against."""

from __future__ import annotations

from tests.torch.cases import (
    algebra,
    attention,
    convolution,
    dense,
    experts,
    normalization,
    numeric,
    recurrent,
    structure,
)
from tests.torch.cases.case import Case, call, loss, quiet

ALL: tuple[Case, ...] = (
    *dense.CASES,
    *algebra.CASES,
    *attention.CASES,
    *convolution.CASES,
    *experts.CASES,
    *normalization.CASES,
    *numeric.CASES,
    *recurrent.CASES,
    *structure.CASES,
)
BY_NAME: dict[str, Case] = {case.name: case for case in ALL}

__all__ = ["ALL", "BY_NAME", "Case", "call", "loss", "quiet"]
