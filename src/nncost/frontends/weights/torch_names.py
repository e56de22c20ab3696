"""What a call in a PyTorch checkpoint describes: tensors, or an object of which only the name and the parts are kept."""

from __future__ import annotations

from typing import Any

from nncost.frontends.weights.accepted_names import (
    META,
    QUANTIZED,
    REBUILDERS,
    SPARSE,
    STORAGE_CLASS,
    STORAGES,
    TYPES,
    WRAPPED,
    WRAPPERS,
)
from nncost.frontends.weights.described import Global, Object, ShapeRecord, StorageRecord, TensorRecord, WrapperRecord

_MAX_SIZE = 2**63
_MAX_AXES = 64


def rebuilt(name: str, arguments: tuple[Any, ...]) -> Any:
    """Return what a call of an accepted name describes. Raise TypeError or ValueError for arguments that do not fit."""
    if name == QUANTIZED:
        return _quantized(arguments)
    if name == META:
        dtype, shape, *_ = arguments
        return ShapeRecord(dtype.name.removeprefix("torch."), tuple(map(_size, shape)))
    if name in REBUILDERS:
        storage, offset, shape, stride, *rest = arguments
        return _tensor(storage, offset, shape, stride, rest[2] if name.endswith("_v3") else None)
    if name == "torch._tensor._rebuild_from_type_v2":
        function, kind, inner, state = arguments
        if function.name == WRAPPED:
            return WrapperRecord(kind.name, tuple(map(_size, inner[2])), state)
        return rebuilt(function.name, inner)
    if name.endswith("._reconstructor"):
        return Object(arguments[0].name)
    if name in WRAPPERS:
        return arguments[0]
    if name == SPARSE:
        return _sparse(arguments[1])
    return Object(name, dict(enumerate(arguments)))


def storage_named(reference: Any) -> StorageRecord:
    """The storage of a persistent id ``("storage", class, key, location, elements, …)``."""
    kind, cls, key, _, elements, *_ = reference
    match = STORAGE_CLASS.match(cls.name)
    if kind != "storage" or match is None or not isinstance(key, str):
        raise ValueError("it refers to something that is no storage")
    dtype, item_bytes = STORAGES[match[1]]
    return StorageRecord(key, dtype, item_bytes, _size(elements))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, dtype: Any) -> TensorRecord:
    if not isinstance(storage, StorageRecord) or not len(shape) == len(stride) <= _MAX_AXES:
        raise TypeError
    name, item_bytes = storage.dtype, storage.item_bytes
    if isinstance(dtype, Global):
        name = dtype.name.removeprefix("torch.")
        item_bytes = TYPES[name]
    return TensorRecord(storage, name, item_bytes, _size(offset), tuple(map(_size, shape)), tuple(map(_size, stride)))


def _quantized(arguments: tuple[Any, ...]) -> Any:
    """A quantized tensor; one with a scale for each channel is made of its numbers, scales and zero points."""
    storage, offset, shape, stride, parameters, *_ = arguments
    numbers = _tensor(storage, offset, shape, stride, None)
    channels = [part for part in parameters if isinstance(part, TensorRecord)]
    if not channels:
        return numbers
    named = zip(("scales", "zero_points"), channels, strict=False)
    return WrapperRecord("torch.per_channel", numbers.shape, {"numbers": numbers, **dict(named)})


def _sparse(parts: Any) -> dict[str, Any]:
    """Stored values and the indices that place them."""
    *indices, values = [part for part in parts if isinstance(part, TensorRecord)]
    return {"values": values} | {f"indices_{number}": each for number, each in enumerate(indices)}


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_SIZE:
        raise ValueError("a size in it is no whole number, or is negative or too large")
    return value
