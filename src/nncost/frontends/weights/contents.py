"""What every reader of a checkpoint gives: its tensors by name, with what their headers say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Literal

from nncost.ir.dtypes import DTYPES
from nncost.ir.graph import Role
from nncost.records import field, record

_NAMES = {
    **{name: dtype.name for dtype in DTYPES for name in dtype.stored},
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "F4": "float4_e2m1", "F6_E2M3": "float6_e2m3",
    "F6_E3M2": "float6_e3m2", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""Types that are counted, and those that only files have: a checkpoint keeps the exact type of what it stores."""


Content = bytes
_DESCRIBING = re.compile(r"(?:_shape|\.shape|\.quant_state\.bitsandbytes__(?:nf4|fp4))\Z")
_MAX_VALUE = 4096

Beside = Literal["quantization", "optimizer"]
"""What stands beside the parameters of a network and is no part of it: scales, zero points and the like; an optimizer's state."""


@record
class Entry:
    """One stored tensor.

    ``name`` has dots between its parts, ``bytes`` are those of its numbers as the file stores them;
    ``role`` is what the format itself tells, if it does. Weights that a quantizer packed have the shape of the network:
    ``packed`` names the format, ``stored_shape`` is that of the file, if it is another. ``value`` are the bytes of a small
    tensor that describes others, where they were read.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    role: Role | Beside | None = None
    packed: str = ""
    stored_shape: tuple[int, ...] | None = None
    value: Content = b""

    @property
    def elements(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@record
class Contents:
    """The tensors of a checkpoint in the order of the file, what a reader should know, and texts the file says of itself."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def describes(entry: Entry) -> bool:
    """Whether it is one of the small tensors that say the shapes of others, whose values are read."""
    return entry.bytes <= _MAX_VALUE and _DESCRIBING.search(entry.name) is not None


def dtype_name(stored: str) -> str:
    """Return ``float32`` for ``F32``; block formats such as ``Q4_K`` keep the name their files give them."""
    return _NAMES.get(stored, stored)
