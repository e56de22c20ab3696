"""NumPy's types by the names of ours; those that NumPy lacks come from the package ``ml_dtypes``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from nncost.errors import MissingExtraError
from nncost.ir.dtypes import COMPLEX_DTYPES

Array = Any
OWN = frozenset(
    {"float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"}
    | (COMPLEX_DTYPES - {"complex32"})
)
"""Types that NumPy computes in itself."""
WIDER = {"float16": "float32", "bfloat16": "float32"}
"""What sums and products of short floats are accumulated in, as libraries do."""


@lru_cache(maxsize=64)
def numpy_dtype(name: str) -> Any:
    """Return NumPy's type of that name; ``float8`` is the one with four bits of exponent."""
    if name in OWN:
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise MissingExtraError(f"numbers of the type {name}", "ml_dtypes", "onnx") from None
    return np.dtype(getattr(ml_dtypes, {"float8": "float8_e4m3fn"}.get(name, name)))


WHOLE_BYTES = {"uint4": "uint8", "int4": "int8", "uint2": "uint8", "int2": "int8"}
"""Types of a byte that hold what several numbers to a byte are."""


def widely_known(values: Array) -> Array:
    """An array in a type that every library has: floats that NumPy lacks in single precision, short integers in bytes."""
    return values.astype(WHOLE_BYTES.get(values.dtype.name, "float32")) if values.dtype.kind == "V" else values


def working_dtype(name: str) -> str:
    """Return the type that NumPy computes in for numbers of a type: float32 for short floats, int32 for short integers."""
    if name in OWN and name != "float16":
        return name
    return "float32" if "float" in name else "int32"


def is_own(name: str) -> bool:
    """Whether NumPy has the type, and sums in it are exact enough: half floats are summed in single ones."""
    return name in OWN and name != "float16"


def limits_of(dtype: Any) -> tuple[Any, Any]:
    """Return the lowest and the highest number of a NumPy type: infinities, if it has them."""
    if dtype.kind == "b":
        return False, True
    if dtype.kind in "iu":
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    return -np.inf, np.inf
