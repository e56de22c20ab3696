"""What every reader of a checkpoint gives: its tensors by name, with what their headers say."""

from __future__ import annotations

from math import prod

from nncost.ir.dtypes import DTYPES
from nncost.ir.graph import Role
from nncost.records import record

_NAMES = {
    **{name: dtype.name for dtype in DTYPES for name in dtype.stored},
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "F4": "float4_e2m1", "F6_E2M3": "float6_e2m3",
    "F6_E3M2": "float6_e3m2", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""Types that are counted, and those that only files have: a checkpoint keeps the exact type of what it stores."""


@record
class Entry:
    """One stored tensor.

    ``name`` has dots between its parts, ``bytes`` are those of its numbers as the file stores them;
    ``role`` is what the format itself tells, if it does.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    role: Role | None = None

    @property
    def elements(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@record
class Contents:
    """The tensors of a checkpoint in the order of the file, and what a reader should know."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def dtype_name(stored: str) -> str:
    """Return ``float32`` for ``F32``; block formats such as ``Q4_K`` keep the name their files give them."""
    return _NAMES.get(stored, stored)
