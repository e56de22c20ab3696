"""What the tracer does with each PyTorch operator, decided once for each from its schema."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from nncost.frontends.torch.lowerings.registry import lowering_for, revision


class Handling(Enum):
    """How an operator is treated while tracing."""

    SILENT = "silent"  # asks about a tensor; no value comes of it
    VIEW = "view"  # looks at the same elements
    LOWERED = "lowered"  # has a lowering
    DECOMPOSED = "decomposed"  # PyTorch itself says which operators it is made of
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """The handling of one operator overload, its name without the provenance of an in-place form, and what it writes.

    A ``simple`` one makes new tensors whose shapes follow from its operands' alone.
    """

    handling: Handling
    name: str
    names: tuple[str, ...]
    written: tuple[int, ...]
    written_names: tuple[str, ...]
    random: bool
    simple: bool
    decomposition: Any = None


_SILENT_NAMESPACES = {"prim", "profiler"}
_SILENT = {
    "aten::detach", "aten::lift_fresh", "aten::alias", "aten::is_same_size", "aten::_assert_async", "aten::record_stream",
    "aten::resize_", "aten::set_", "aten::_assert_tensor_metadata", "aten::sym_size", "aten::sym_stride",
    "aten::sym_numel", "aten::sym_storage_offset", "aten::_has_compatible_shallow_copy_type", "aten::_version",
    "aten::lift", "aten::detach_", "aten::_assert_scalar", "aten::sym_constrain_range", "aten::sym_constrain_range_for_size",
    "aten::is_nonzero", "aten::item", "aten::_local_scalar_dense", "aten::equal", "aten::is_pinned", "aten::pin_memory",
}  # fmt: skip
_MOVED_IN_PLACE = {
    "aten::t_", "aten::transpose_", "aten::squeeze_", "aten::unsqueeze_", "aten::swapaxes_", "aten::swapdims_",
    "aten::as_strided_",
}  # fmt: skip
_COPIES_MAYBE = {"aten::reshape", "aten::contiguous", "aten::to", "aten::flatten"}

_known: dict[Any, OperatorInfo] = {}
_made_at = [0]
"""The revision of the rules that the plans were made by."""


def operator_info(operator: Any) -> OperatorInfo:
    """The info of an operator overload; operators are few, so they are remembered for the process."""
    info = _known.get(operator)
    if info is None:
        info = _known[operator] = _make(operator)
    return info


def refresh() -> None:
    """OperatorInfo anew where a rule has been registered since: what was decomposed may have one now."""
    if _made_at[0] != revision():
        _known.clear()
        _made_at[0] = revision()


def _make(operator: Any) -> OperatorInfo:
    schema = operator._schema
    arguments = schema.arguments
    written = tuple(i for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write)
    name = functional_name(schema.name)
    handling, decomposition = _handling(operator, name)
    return OperatorInfo(
        handling,
        name,
        tuple(argument.name for argument in arguments),
        written,
        tuple(arguments[i].name for i in written),
        torch.Tag.nondeterministic_seeded in operator.tags,
        _is_simple(operator, handling, written),
        decomposition,
    )


def functional_name(name: str) -> str:
    """``aten::add_`` is ``aten::add``; names such as ``__and__`` stay."""
    namespace, _, base = name.partition("::")
    if base.endswith("_") and not base.endswith("__"):
        base = base[:-1]
    return f"{namespace}::{base}"


def _handling(operator: Any, name: str) -> tuple[Handling, Any]:
    schema = operator._schema
    if lowering_for(name, operator._overloadname) is not None:
        return Handling.LOWERED, None
    if operator.namespace in _SILENT_NAMESPACES or schema.name in _SILENT or name in _SILENT:
        return Handling.SILENT, None
    returns = schema.returns
    if not any("Tensor" in str(value.type) for value in returns) and not any(
        a.alias_info is not None and a.alias_info.is_write for a in schema.arguments
    ):
        return Handling.SILENT, None
    if schema.name in _MOVED_IN_PLACE or (_is_view(schema) and name not in _COPIES_MAYBE):
        return Handling.VIEW, None
    if operator._can_decompose():
        return Handling.DECOMPOSED, None
    decomposition = _decomposition(operator)
    if decomposition is not None:
        return Handling.DECOMPOSED, decomposition
    return Handling.UNKNOWN, None


_BY_DATA = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)


def _is_simple(operator: Any, handling: Handling, written: tuple[int, ...]) -> bool:
    if handling is not Handling.LOWERED or written or operator.namespace != "aten":
        return False
    if any(tag in operator.tags for tag in _BY_DATA) or any(a.name == "device" for a in operator._schema.arguments):
        return False
    return all(value.alias_info is None and str(value.type) == "Tensor" for value in operator._schema.returns)


def _is_view(schema: Any) -> bool:
    return any(value.alias_info is not None and not value.alias_info.is_write for value in schema.returns)


def _decomposition(operator: Any) -> Any:
    from torch._decomp import decomposition_table

    return decomposition_table.get(operator)
