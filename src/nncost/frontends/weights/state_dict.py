"""The tensors of a state dict, each storage counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.torch_names import Described, StorageRecord, TensorRecord

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "params", "net", "network")
"""Keys under which training scripts keep the parameters beside the optimizer's state."""
_MAX_DEPTH = 32
_Check = Callable[[StorageRecord], None]


@dataclass(slots=True)
class _Counted:
    """What is known of the storages so far: what they are, and the views of them that were counted."""

    storages: dict[str, StorageRecord] = field(default_factory=dict)
    views: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    tied: list[tuple[str, str]] = field(default_factory=list)


def contents_of(value: Any, check: _Check) -> Contents:
    """The entries of a described value; ``check`` raises ValueError for a storage the file does not hold."""
    inner, notes = _unwrapped(value)
    counted, entries = _Counted(), []
    for name, tensor in _tensors(inner):
        _check_storage(tensor.storage, counted, check)
        _check_extent(name, tensor)
        entry = _entry(name, tensor, counted)
        if entry is not None:
            entries.append(entry)
    return Contents(tuple(entries), (*notes, *_tied_note(counted.tied)))


def _unwrapped(value: Any) -> tuple[Any, tuple[str, ...]]:
    """The parameters of a training checkpoint, and a note of what lies beside them."""
    if isinstance(value, dict):
        for key in _WRAPPERS:
            if isinstance(value.get(key), dict) and any(True for _ in _tensors(value[key])):
                beside = [
                    str(other)[:40] for other in value if other != key and any(True for _ in _tensors(value[other]))
                ]
                note = f"Counted are the tensors under {key!r}; left out: {', '.join(beside)}."
                return value[key], (note,) if beside else ()
    return value, ()


def _tensors(value: Any) -> Iterator[tuple[str, TensorRecord]]:
    """Tensors with their dotted names, in order. A container that stands there twice is entered once."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        name, item, depth = waiting.pop()
        if isinstance(item, TensorRecord):
            yield name or "tensor", item
            continue
        children = _children(item)
        if children is None or id(item) in seen:
            continue
        if depth > _MAX_DEPTH:
            raise ValueError(f"its values are nested more than {_MAX_DEPTH} deep")
        seen.add(id(item))
        named = [(f"{name}.{key}" if name else str(key), child, depth + 1) for key, child in children]
        waiting.extend(reversed(named))


def _children(item: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(item, dict):
        return list(item.items())
    if isinstance(item, Described):
        item = item.parts
    return list(enumerate(item)) if isinstance(item, (list, tuple)) else None


def _check_storage(storage: StorageRecord, counted: _Counted, check: _Check) -> None:
    known = counted.storages.get(storage.key)
    if known is None:
        check(storage)
        counted.storages[storage.key] = storage
    elif known != storage:
        raise ValueError(f"the storage {storage.key[:60]!r} is described in two ways")


def _check_extent(name: str, tensor: TensorRecord) -> None:
    """The view's last element lies in the storage."""
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    held = tensor.storage.elements * tensor.storage.item_bytes
    if prod(tensor.shape) and (last + 1) * tensor.item_bytes > held:
        raise ValueError(f"the tensor {name[:200]!r} reaches beyond its storage")


def _entry(name: str, tensor: TensorRecord, counted: _Counted) -> Entry | None:
    """The tensor, unless its numbers were counted under another name; a repeated view has only what is stored."""
    views = counted.views.setdefault(tensor.storage.key, {})
    span = (tensor.offset, _span(tensor))
    if span in views and span[1]:
        counted.tied.append((name, views[span]))
        return None
    views[span] = name
    shape = tensor.shape if prod(tensor.shape) <= span[1] else (span[1],)
    return Entry(name, shape, tensor.dtype, prod(shape) * tensor.item_bytes)


def _span(tensor: TensorRecord) -> int:
    """Elements from the first to the last of a view."""
    if not prod(tensor.shape):
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))


def _tied_note(tied: list[tuple[str, str]]) -> Iterator[str]:
    if tied:
        name, first = tied[0]
        more = f" and {len(tied) - 1} more" if len(tied) > 1 else ""
        yield f"Tied, so counted once: {name} is {first}{more}."
