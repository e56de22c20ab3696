"""How each PyTorch operator is treated, decided once per operator from its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import torch

from nncost.frontends.torch.lowerings.registry import lowering_for, revision
from nncost.records import record


class Handling(Enum):
    """How an operator is treated."""

    QUERY = "query"  # asks about a tensor; no value is computed
    VIEW = "view"  # returns the same elements in another shape
    LOWERED = "lowered"  # has a lowering
    DECOMPOSED = "decomposed"  # PyTorch itself says which operators it is made of
    UNKNOWN = "unknown"


@record
class OperatorInfo:
    """An operator overload: how it is treated, its name without an in-place form's underscore, and what it writes.

    ``by_data``: its result is a number, or has a shape, that the values of its operands decide. A ``simple`` one makes new tensors whose shapes follow from its operands only; a ``composite`` one has no
    kernel of its own on the CPU. ``can_decompose`` it: PyTorch has a composite form of it. A ``nested`` one makes or takes nested tensors only.
    """

    handling: Handling
    name: str
    names: tuple[str, ...]
    written: tuple[int, ...]
    written_names: tuple[str, ...]
    random: bool
    by_data: bool
    simple: bool
    can_decompose: bool
    composite: bool
    nested: bool
    decomposition: Any = None


_QUERY_NAMESPACES = {"prim", "profiler"}
_QUERIES = {
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

OTHER_VIEWS = {torch.ops.aten.detach.default, torch.ops.aten.alias.default, torch.ops.aten._unsafe_view.default}
"""Operators that return a view of their operand, besides those that say so."""

_table: dict[Any, OperatorInfo] = {}
_made_at = [0]
"""The revision of the lowerings that the table was made by."""


def operator_info(operator: Any) -> OperatorInfo:
    """How an operator overload is treated; operators are few, so they are remembered for the process."""
    info = _table.get(operator)
    if info is None:
        info = _table[operator] = _info(operator)
    return info


def refresh() -> None:
    """Begin the table anew if a lowering has been registered since: what was decomposed may have one now."""
    if _made_at[0] != revision():
        _table.clear()
        _made_at[0] = revision()


def written_to(info: OperatorInfo, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The arguments that a call writes to."""
    pairs = zip(info.written, info.written_names, strict=True)
    return [args[position] if position < len(args) else kwargs.get(name) for position, name in pairs]


def _info(operator: Any) -> OperatorInfo:
    schema = operator._schema
    arguments = schema.arguments
    written = tuple(i for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write)
    name = functional_name(schema.name)
    handling, decomposition = _handling(operator, name, writes=bool(written))
    composite = _can_decompose(operator)
    return OperatorInfo(
        handling,
        name,
        tuple(argument.name for argument in arguments),
        written,
        tuple(arguments[i].name for i in written),
        torch.Tag.nondeterministic_seeded in operator.tags,
        any(tag in operator.tags for tag in _BY_DATA),
        _is_simple(operator, handling, written),
        composite,
        composite and not torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CPU"),
        "::_nested" in name,
        decomposition,
    )


def functional_name(name: str) -> str:
    """``aten::add_`` is ``aten::add``; names such as ``__and__`` stay."""
    namespace, _, base = name.partition("::")
    if base.endswith("_") and not base.endswith("__"):
        base = base[:-1]
    return f"{namespace}::{base}"


def _handling(operator: Any, name: str, *, writes: bool) -> tuple[Handling, Any]:
    schema = operator._schema
    if lowering_for(name, operator._overloadname) is not None:
        return Handling.LOWERED, None
    if operator.namespace in _QUERY_NAMESPACES or schema.name in _QUERIES or name in _QUERIES:
        return Handling.QUERY, None
    if not writes and not any("Tensor" in str(value.type) for value in schema.returns):
        return Handling.QUERY, None
    if schema.name in _MOVED_IN_PLACE or (_is_view(schema) and name not in _COPIES_MAYBE):
        return Handling.VIEW, None
    if _can_decompose(operator):
        return Handling.DECOMPOSED, None
    from torch._decomp import decomposition_table

    decomposition = decomposition_table.get(operator)
    return (Handling.UNKNOWN if decomposition is None else Handling.DECOMPOSED), decomposition


def _can_decompose(operator: Any) -> bool:
    """Whether PyTorch has a composite form; of what only its scripts know, such as ``aten::size``, it does not even say."""
    try:
        return bool(operator._can_decompose())
    except RuntimeError:
        return False


_BY_DATA = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)


def _is_simple(operator: Any, handling: Handling, written: tuple[int, ...]) -> bool:
    if handling is not Handling.LOWERED or written or operator.namespace != "aten":
        return False
    if any(tag in operator.tags for tag in _BY_DATA) or any(a.name == "device" for a in operator._schema.arguments):
        return False
    return all(value.alias_info is None and str(value.type) == "Tensor" for value in operator._schema.returns)


def _is_view(schema: Any) -> bool:
    return any(value.alias_info is not None and not value.alias_info.is_write for value in schema.returns)
