"""Comparisons, logic, selection and bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nncost.frontends.torch.lowerings.operands import cast, constant, elementwise, operand
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor


def _binary(function: str) -> Callable[[Call], Tensor]:
    return lambda call: elementwise(call, function, call["self"], call["other"])


def _comparison(function: str, *, swapped: bool) -> Callable[[Call], Tensor]:
    def lower(call: Call) -> Tensor:
        pair = (call["other"], call["self"]) if swapped else (call["self"], call["other"])
        return elementwise(call, function, *pair, dtype=_common_type(*pair))

    return lower


def _common_type(*values: Any) -> str:
    """The type in which tensors are compared: a floating one where there is one."""
    types = [value.dtype for value in values if isinstance(value, Tensor)]
    if not all(isinstance(value, (Tensor, int)) for value in values):
        types += ["float32"] if not any("float" in t for t in types) else []
    return next((t for t in types if "float" in t), next((t for t in types if t != "bool"), types[0]))


for _name, _function, _swapped in (
    ("gt", "greater", False), ("ge", "greater_equal", False), ("lt", "greater", True), ("le", "greater_equal", True),
    ("eq", "equal", False), ("ne", "not_equal", False),
):  # fmt: skip
    lowers(f"aten::{_name}")(_comparison(_function, swapped=_swapped))

for _name, _function in (
    ("bitwise_and", "and"), ("bitwise_or", "or"), ("bitwise_xor", "xor"), ("__and__", "and"), ("__or__", "or"),
    ("__xor__", "xor"), ("logical_and", "and"), ("logical_or", "or"), ("logical_xor", "xor"),
):  # fmt: skip
    lowers(f"aten::{_name}")(_binary(_function))


@lowers("aten::logical_not", "aten::bitwise_not")
def _not(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.map("not", cast(call.builder, x, "bool") if call.name == "aten::logical_not" else x)


@lowers("aten::isnan", "aten::isinf", "aten::isposinf", "aten::isneginf", "aten::isfinite")
def _classified(call: Call) -> Tensor:
    """One comparison: a number that is not itself, or with infinity; the absolute value is free."""
    b, x, kind = call.builder, call.tensor("self"), call.name.removeprefix("aten::")
    if "float" not in x.dtype:
        return b.emit(ops.Constant("fill", x.shape, "bool", kind == "isfinite"))
    if kind == "isnan":
        return b.map("not_equal", x, x)
    infinity = constant(b, -math.inf if kind == "isneginf" else math.inf, x.dtype)
    size = b.map("abs", x) if kind in ("isinf", "isfinite") else x
    return b.map("greater", infinity, size) if kind == "isfinite" else b.map("equal", size, infinity)


@lowers("aten::where")
def _where(call: Call) -> Tensor:
    return select(call, call["condition"], call["self"], call["other"])


@lowers("aten::masked_fill")
def _masked_fill(call: Call) -> Tensor:
    return select(call, call["mask"], call["value"], call["self"])


def select(call: Call, condition: Tensor, chosen: Any, otherwise: Any) -> Tensor:
    """The first where the condition holds, the second elsewhere: 1 cmp for each element."""
    b = call.builder
    pair = [operand(call, value) for value in (chosen, otherwise)]
    return b.map(
        "select",
        cast(b, condition, "bool"),
        *(x if isinstance(x, Tensor) else constant(b, x, call.dtype) for x in pair),
    )


@lowers("aten::clamp", "aten::clip", "aten::hardtanh")
def _clamp(call: Call) -> Tensor:
    low = call.get("min", call.get("min_val"))
    high = call.get("max", call.get("max_val"))
    if call.name == "aten::hardtanh":
        low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
    x: Any = call["self"]
    if low is not None and high is not None and not isinstance(low, Tensor) and not isinstance(high, Tensor):
        return elementwise(call, "clip", x, low, high)
    for function, bound in (("max", low), ("min", high)):
        if bound is not None:
            x = elementwise(call, function, x, bound)
    return x if isinstance(x, Tensor) else call.tensor("self")


@lowers("aten::clamp_min")
def _clamp_min(call: Call) -> Tensor:
    return elementwise(call, "max", call["self"], call["min"])


@lowers("aten::clamp_max")
def _clamp_max(call: Call) -> Tensor:
    return elementwise(call, "min", call["self"], call["max"])
