"""Operators on lists of tensors: each tensor as the operator on one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers
from nncost.ir.graph import Tensor

_SAME = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round"
    " rsqrt sigmoid sign sin sinh sqrt tan tanh trunc zero add sub mul div maximum minimum pow lerp addcdiv addcmul"
    " copy max clone mm"
)
_SINGLE: Mapping[str, str] = {
    **{name: name for name in _SAME.split()},
    "clamp_max": "minimum", "clamp_min": "maximum", "norm": "linalg_vector_norm", "powsum": "linalg__powsum",
}  # fmt: skip
"""What one tensor of ``_foreach_x`` goes through."""
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "lerp": {"tensors1": "end", "weights": "weight"},
    "addcdiv": {"scalars": "value"},
    "addcmul": {"scalars": "value"},
    "mm": {"other": "mat2"},
    "pow": {"exponent": "exponent"},
}
"""Arguments whose name in the list form is another; everywhere else a number is ``other``."""


def one(call: Call, name: str, arguments: Mapping[str, Any], like: Tensor) -> Any:
    """One operator with a result like ``like``, inside another's lowering."""
    lowering = lowering_for(f"aten::{name}", "")
    if lowering is None:
        raise NotImplementedError(name)
    outputs = ((like.shape, like.dtype),)
    return lowering(Call(call.builder, f"aten::{name}", "", arguments, outputs, call.parameters))


def _arguments(call: Call, base: str, place: int, count: int) -> dict[str, Any]:
    """The arguments of one tensor: its share of each list, and whatever stands for all."""
    names = _RENAMED.get(base, {"scalar": "other", "scalars": "other"})
    found: dict[str, Any] = {}
    for name, value in call.arguments.items():
        own = value[place] if isinstance(value, tuple) and len(value) == count else value
        found[names.get(name, name)] = own
    return found


def _listed(base: str, single: str) -> Any:
    def lower(call: Call) -> Lowered:
        lists = [value for value in call.arguments.values() if isinstance(value, tuple)]
        count = len(lists[0]) if lists else 0
        results: list[Tensor | None] = []
        for place in range(count):
            arguments = _arguments(call, base, place, count)
            tensor = next(value for value in arguments.values() if isinstance(value, Tensor))
            like = Tensor(*call.outputs[place]) if place < len(call.outputs) else tensor
            made = one(call, single, arguments, like)
            results.append(made if isinstance(made, Tensor) else made[0])
        return results

    return lower


for _base, _single in _SINGLE.items():
    lowers(f"aten::_foreach_{_base}")(_listed(_base, _single))


@lowers("aten::_amp_foreach_non_finite_check_and_unscale")
def _unscaled(call: Call) -> Lowered:
    """Each gradient is compared with infinity and multiplied by the inverse scale."""
    b = call.builder
    found: list[Tensor | None] = []
    for tensor in call["self"]:
        b.map("not_equal", tensor, tensor)
        found.append(b.map("mul", tensor, b.reshape(call.tensor("inv_scale"), ())))
    return found


@lowers("aten::_amp_update_scale")
def _scale_updated(call: Call) -> Lowered:
    """The loss scale grows or shrinks: a number for each step."""
    return call.builder.map("mul", call.tensor("self"), 1.0)
