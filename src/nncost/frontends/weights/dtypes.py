"""One name for each type of number, whatever the format calls it."""

from __future__ import annotations

_NAMES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F4": "float4_e2m1", "F6_E2M3": "float6_e2m3", "F6_E3M2": "float6_e3m2", "F8_E4M3": "float8_e4m3",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip


def dtype_name(stored: str) -> str:
    """``F32`` as ``float32``; block formats such as ``Q4_K`` keep the name their files give them."""
    return _NAMES.get(stored, stored)
