"""NumPy arrays that a pickle describes."""

from __future__ import annotations

from math import prod
from typing import Any

from nncost.frontends.weights.described import Object

_TYPES = {
    "f2": ("float16", 2), "f4": ("float32", 4), "f8": ("float64", 8), "i1": ("int8", 1), "i2": ("int16", 2), "i4": ("int32", 4),
    "i8": ("int64", 8), "u1": ("uint8", 1), "u2": ("uint16", 2), "u4": ("uint32", 4), "u8": ("uint64", 8), "b1": ("bool", 1),
    "c8": ("complex64", 8), "c16": ("complex128", 16),
}  # fmt: skip
_STATE_PARTS = 5
"""Version, shape, type, order and numbers."""
_BUFFER_PARTS = 4
"""Numbers, type, shape and order."""


def array_of(value: Any) -> tuple[tuple[int, ...], str, int] | None:
    """Return shape, type and bytes of an array of numbers; None for anything else."""
    shape, kind, numbers = _parts(value) if isinstance(value, Object) else (None, None, None)
    name = kind.parts.get(0) if isinstance(kind, Object) else None
    if (
        not isinstance(name, str)
        or name not in _TYPES
        or not isinstance(shape, tuple)
        or not all(isinstance(size, int) and size >= 0 for size in shape)
    ):
        return None
    dtype, width = _TYPES[name]
    stored = prod(shape) * width
    return (shape, dtype, stored) if _length(numbers) == stored else None


def _parts(value: Object) -> tuple[Any, Any, Any]:
    """Shape, type and numbers, as protocols before 5 and protocol 5 write them."""
    state = value.parts.get("state")
    if value.name.endswith("multiarray._reconstruct") and isinstance(state, tuple) and len(state) == _STATE_PARTS:
        return state[1], state[2], state[4]
    if value.name.endswith("numeric._frombuffer") and len(value.parts) == _BUFFER_PARTS:
        return value.parts.get(2), value.parts.get(1), value.parts.get(0)
    return None, None, None


def _length(numbers: Any) -> int | None:
    """Bytes of the numbers. Protocols before 3 have them as text, which is encoded."""
    if isinstance(numbers, Object) and numbers.name == "_codecs.encode":
        numbers = numbers.parts.get(0)
    return len(numbers) if isinstance(numbers, (bytes, bytearray, str)) else None
