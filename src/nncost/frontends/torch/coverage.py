"""Which operators of the installed PyTorch are counted."""

from __future__ import annotations

from typing import Any

import torch

from nncost.frontends.operators import COUNTED, DECOMPOSED, FREE, UNKNOWN, Coverage, Operator
from nncost.frontends.torch.lowerings import catalogue as _catalogue  # noqa: F401 - registers every lowering
from nncost.frontends.torch.step.dispatch_table import Handling, OperatorInfo, operator_info

NAMESPACES = ("aten", "prims", "quantized", "_c10d_functional")
"""Those that models run; others belong to compilers and devices."""
_TREATMENTS = {
    Handling.LOWERED: COUNTED, Handling.DECOMPOSED: DECOMPOSED, Handling.VIEW: FREE, Handling.QUERY: FREE,
    Handling.UNKNOWN: UNKNOWN,
}  # fmt: skip
_OWN_TESTS = ("aten::_test_", "aten::_foobar")
"""Operators with which PyTorch tests itself."""


def coverage() -> Coverage:
    """Every overload of every operator that models run, with how it is treated."""
    import torch._prims  # registers its operators

    found = []
    for full in sorted(torch._C._dispatch_get_all_op_names()):
        name, _, overload = full.partition(".")
        if name.partition("::")[0] in NAMESPACES and not name.startswith(_OWN_TESTS):
            found.append(Operator(name, overload, _treatment(name, overload)))
    return Coverage("torch", torch.__version__.partition("+")[0], tuple(found))


def _treatment(name: str, overload: str) -> str:
    namespace, _, base = name.partition("::")
    operator: Any = getattr(getattr(getattr(torch.ops, namespace), base), overload or "default")
    info = operator_info(operator)
    return UNKNOWN if _written_and_decomposed(info) else _TREATMENTS[info.handling]


def _written_and_decomposed(info: OperatorInfo) -> bool:
    """An operator that writes into what it is given is not run as PyTorch's reference, which makes new tensors."""
    return info.handling is Handling.DECOMPOSED and bool(info.written) and info.decomposition is not None
