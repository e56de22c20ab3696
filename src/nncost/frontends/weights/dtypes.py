"""One name for each type of number, whatever the format calls it."""

from __future__ import annotations

from nncost.ir.dtypes import DTYPES

_NAMES = {
    **{name: dtype.name for dtype in DTYPES for name in dtype.stored},
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "F4": "float4_e2m1", "F6_E2M3": "float6_e2m3",
    "F6_E3M2": "float6_e3m2", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""Types that are counted, and those that only files have: a checkpoint keeps the exact type of what it stores."""


def dtype_name(stored: str) -> str:
    """Return ``float32`` for ``F32``; block formats such as ``Q4_K`` keep the name their files give them."""
    return _NAMES.get(stored, stored)
