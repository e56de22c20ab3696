"""The names a PyTorch checkpoint may hold and what they describe; every other name is refused.

PyTorch's own restricted unpickler (``torch._weights_only_unpickler``) has the same idea; here the
calls are not made at all, so PyTorch is not needed.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from math import prod
from typing import Any

from nncost.records import record

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
}  # fmt: skip
_QUANTIZED, _META = "torch._utils._rebuild_qtensor", "torch._utils._rebuild_meta_tensor_no_storage"
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
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._pickle.__generator_ctor", "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64", "numpy.random._philox.Philox", "numpy.random._sfc64.SFC64", "numpy.random.bit_generator.SeedSequence",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "copyreg._reconstructor", "copy_reg._reconstructor", "builtins.object",
    "argparse.Namespace", "types.SimpleNamespace", "collections.deque", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
    "pathlib.PosixPath", "pathlib.Path", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath",
    "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
}  # fmt: skip
"""Values of Python, PyTorch and NumPy beside the tensors. They are named, never made."""
_CLASS = re.compile(r"_*[A-Z]\w*\Z")
_CODE = frozenset({"__builtin__", "copy_reg", "torch", "torchvision", "torchaudio", "numpy"}) | sys.stdlib_module_names
"""Where a name that is not listed above is refused: these modules hold what an attack needs."""
_WRAPPED = "torch._utils._rebuild_wrapper_subclass"
_TYPE = re.compile(r"(?:b?float|complex|u?int|qu?int|bool|bits)\d\w*\Z")
_STORAGE_CLASS = re.compile(r"torch\.(?:storage\.|cuda\.)?(\w+)Storage\Z")


@record
class Global:
    """A name from a pickle."""

    name: str


@record
class StorageRecord:
    """A block of numbers in the file: its key, type, bytes of an element and number of elements."""

    key: str
    dtype: str
    item_bytes: int
    elements: int


@record(eq=False)
class TensorRecord:
    """A view of a storage."""

    storage: StorageRecord
    dtype: str
    item_bytes: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def span(self) -> int:
        """Elements from its first to its last in the storage."""
        if not prod(self.shape):
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))

    @property
    def stored(self) -> int:
        """Elements that are stored: an axis that repeats has one of them."""
        elements = prod(size for size, step in zip(self.shape, self.stride, strict=True) if step or not size)
        return min(elements, self.span)

    @property
    def bytes(self) -> int:
        """Bytes of those."""
        return self.stored * self.item_bytes

    @property
    def has_gaps(self) -> bool:
        """Whether there are numbers between its own, of which it has none."""
        return self.stored < self.span


@dataclass(slots=True, eq=False)
class Object:
    """A value that is not made: the name of its class or of what makes it, and its parts by their names or numbers."""

    name: str
    parts: dict[Any, Any] = field(default_factory=dict)


@record(eq=False)
class ShapeRecord:
    """A tensor of which the file has no numbers: it was on the device ``meta``."""

    dtype: str
    shape: tuple[int, ...]


@record(eq=False)
class WrapperRecord:
    """A tensor of a class of its own that is made of others, as quantized ones are; ``shape`` is what the network sees."""

    name: str
    shape: tuple[int, ...]
    parts: Any


def is_accepted(module: str, name: str) -> bool:
    """Whether a pickle may name it."""
    full = f"{module}.{name.replace('.', '/')}".replace("__builtin__.", "builtins.")
    storage = _STORAGE_CLASS.match(full)
    return (
        full in MAPPINGS or full in _REBUILDERS or full in _WRAPPERS or full in _HARMLESS or full in (_SPARSE, _WRAPPED, _QUANTIZED, _META)
        or (storage is not None and storage[1] in _STORAGES)
        or (module == "torch" and (name in _TYPES or _TYPE.match(name) is not None))
        or is_foreign(module, name)
    )  # fmt: skip


def is_foreign(module: str, name: str) -> bool:
    """Whether it is a class of another package, as settings and quantized tensors are: described, like all others."""
    return module.partition(".")[0] not in _CODE and all(map(_CLASS.match, name.split(".")))


def rebuilt(name: str, arguments: tuple[Any, ...]) -> Any:
    """Return what a call of an accepted name describes. Raise TypeError or ValueError for arguments that do not fit."""
    if name == _QUANTIZED:
        return _quantized(arguments)
    if name == _META:
        dtype, shape, *_ = arguments
        return ShapeRecord(dtype.name.removeprefix("torch."), tuple(map(_size, shape)))
    if name in _REBUILDERS:
        storage, offset, shape, stride, *rest = arguments
        return _tensor(storage, offset, shape, stride, rest[2] if name.endswith("_v3") else None)
    if name == "torch._tensor._rebuild_from_type_v2":
        function, kind, inner, state = arguments
        if function.name == _WRAPPED:
            return WrapperRecord(kind.name, tuple(map(_size, inner[2])), state)
        return rebuilt(function.name, inner)
    if name.endswith("._reconstructor"):
        return Object(arguments[0].name)
    if name in _WRAPPERS:
        return arguments[0]
    if name == _SPARSE:
        return _sparse(arguments[1])
    return Object(name, dict(enumerate(arguments)))


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
