"""The names a PyTorch checkpoint may hold and what they describe; every other name is refused.

PyTorch's own restricted unpickler (``torch._weights_only_unpickler``) has the same idea; here the
calls are not made at all, so PyTorch is not needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_MAX_SIZE = 2**63
_MAX_AXES = 64
_STORAGES = {
    "Float": ("float32", 4), "Double": ("float64", 8), "Half": ("float16", 2), "BFloat16": ("bfloat16", 2),
    "Long": ("int64", 8), "Int": ("int32", 4), "Short": ("int16", 2), "Char": ("int8", 1), "Byte": ("uint8", 1),
    "Bool": ("bool", 1), "ComplexFloat": ("complex64", 8), "ComplexDouble": ("complex128", 16),
    "QInt8": ("qint8", 1), "QUInt8": ("quint8", 1), "QInt32": ("qint32", 4), "Untyped": ("bytes", 1),
}  # fmt: skip
"""Storage classes with the type and bytes of an element (`torch.storage`, PyTorch 2.13)."""
_NEWER = {
    "uint16": 2, "uint32": 4, "uint64": 8, "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1,
}  # fmt: skip
"""Types without a storage class: their tensors name the type themselves."""
_TYPES = _NEWER | dict(_STORAGES.values())
MAPPINGS = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict"})
_REBUILDERS = {
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_qtensor",
}  # fmt: skip
_WRAPPERS = {
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter",
    "torch._tensor._rebuild_from_type_v2",
}  # fmt: skip
_SPARSE = "torch._utils._rebuild_sparse_tensor"
_HARMLESS = {
    "torch.Size", "torch.device", "torch.serialization._get_layout", "torch.Tensor", "torch._C._TensorBase",
    "torch.per_tensor_affine", "torch.per_channel_affine", "torch.strided", "torch.sparse_coo", "torch.storage.TypedStorage",
    "_codecs.encode", "builtins.set", "builtins.frozenset", "builtins.complex", "builtins.slice", "builtins.bytearray",
    "builtins.int", "builtins.float", "builtins.list", "builtins.tuple", "builtins.bool", "builtins.str", "datetime.datetime",
    "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "pathlib.PosixPath", "pathlib.Path",
}  # fmt: skip
"""Values that hold no tensors. They are named, never made."""
_STORAGE_CLASS = re.compile(r"torch\.(?:storage\.|cuda\.)?(\w+)Storage\Z")


@dataclass(frozen=True, slots=True)
class Global:
    """A name from a pickle."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A value that is not made: its name and, where it has any, its parts."""

    name: str
    parts: Any = ()


@dataclass(frozen=True, slots=True)
class StorageRecord:
    """A block of numbers in the file: its key, type, bytes of an element and number of elements."""

    key: str
    dtype: str
    item_bytes: int
    elements: int


@dataclass(frozen=True, slots=True, eq=False)
class TensorRecord:
    """A view of a storage."""

    storage: StorageRecord
    dtype: str
    item_bytes: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def is_accepted(module: str, name: str) -> bool:
    """Whether a pickle may name it."""
    full = f"{module}.{name.replace('.', '/')}".replace("__builtin__.", "builtins.")
    storage = _STORAGE_CLASS.match(full)
    return (
        full in MAPPINGS or full in _REBUILDERS or full in _WRAPPERS or full in _HARMLESS or full == _SPARSE
        or (storage is not None and storage[1] in _STORAGES)
        or (module == "torch" and name in _TYPES)
    )  # fmt: skip


def rebuilt(name: str, arguments: tuple[Any, ...]) -> Any:
    """Return what a call of an accepted name describes. Raise TypeError or ValueError for arguments that do not fit."""
    if name in _REBUILDERS:
        storage, offset, shape, stride, *rest = arguments
        return _tensor(storage, offset, shape, stride, rest[2] if name.endswith("_v3") else None)
    if name == "torch._tensor._rebuild_from_type_v2":
        function, _, inner, _ = arguments
        return rebuilt(function.name, inner)
    if name in _WRAPPERS:
        return arguments[0]
    if name == _SPARSE:
        return _sparse(arguments[1])
    return Described(name, arguments)


def storage_named(reference: Any) -> StorageRecord:
    """The storage of a persistent id ``("storage", class, key, location, elements, …)``."""
    kind, cls, key, _, elements, *_ = reference
    match = _STORAGE_CLASS.match(cls.name)
    if kind != "storage" or match is None or not isinstance(key, str):
        raise ValueError("it refers to something that is no storage")
    dtype, item_bytes = _STORAGES[match[1]]
    return StorageRecord(key, dtype, item_bytes, _size(elements))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, dtype: Any) -> TensorRecord:
    if not isinstance(storage, StorageRecord) or not len(shape) == len(stride) <= _MAX_AXES:
        raise TypeError
    name, item_bytes = storage.dtype, storage.item_bytes
    if isinstance(dtype, Global):
        name = dtype.name.removeprefix("torch.")
        item_bytes = _TYPES[name]
    return TensorRecord(storage, name, item_bytes, _size(offset), tuple(map(_size, shape)), tuple(map(_size, stride)))


def _sparse(parts: Any) -> dict[str, Any]:
    """Stored values and the indices that place them."""
    *indices, values = [part for part in parts if isinstance(part, TensorRecord)]
    return {"values": values} | {f"indices_{number}": each for number, each in enumerate(indices)}


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_SIZE:
        raise ValueError("a size in it is no whole number, or is negative or too large")
    return value
