"""NumPy arrays that a pickle describes."""

from __future__ import annotations

from math import prod
from typing import Any

from nncost.frontends.weights.torch_names import Object

_TYPES = {
    "f2": ("float16", 2), "f4": ("float32", 4), "f8": ("float64", 8), "i1": ("int8", 1), "i2": ("int16", 2), "i4": ("int32", 4),
    "i8": ("int64", 8), "u1": ("uint8", 1), "u2": ("uint16", 2), "u4": ("uint32", 4), "u8": ("uint64", 8), "b1": ("bool", 1),
    "c8": ("complex64", 8), "c16": ("complex128", 16),
}  # fmt: skip
_STATE_PARTS = 5
"""Version, shape, type, order and numbers."""


def array_of(value: Any) -> tuple[tuple[int, ...], str, int] | None:
    """Return shape, type and bytes of an array of numbers; None for anything else."""
    if not isinstance(value, Object) or not value.name.endswith("multiarray._reconstruct"):
        return None
    state = value.parts.get("state")
    if not isinstance(state, tuple) or len(state) != _STATE_PARTS or not isinstance(state[2], Object):
        return None
    shape, name, numbers = state[1], state[2].parts.get(0), state[4]
    if (
        name not in _TYPES
        or not isinstance(shape, tuple)
        or not all(isinstance(size, int) and size >= 0 for size in shape)
    ):
        return None
    dtype, width = _TYPES[name]
    stored = prod(shape) * width
    return (shape, dtype, stored) if _length(numbers) == stored else None


def _length(numbers: Any) -> int | None:
    """Bytes of the numbers. Protocols before 3 have them as text, which is encoded."""
    if isinstance(numbers, Object) and numbers.name == "_codecs.encode":
        numbers = numbers.parts.get(0)
    return len(numbers) if isinstance(numbers, (bytes, str)) else None
