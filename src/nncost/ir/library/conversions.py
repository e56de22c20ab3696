"""The same bits read as another type, and floats rounded to powers of two."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.numpy_types import numpy_dtype

Array = Any
POWERS = "float8_e8m0fnu"
"""The type of powers of two: eight bits of exponent, no sign, no fraction."""
Rounding = Literal["up", "down", "nearest"]
_BIAS, _LARGEST, _NO_NUMBER = 127, 254, 255


def same_bits(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` read as another type of as many bits: nothing is computed."""
    return b.emit(ops.Algorithm("bitcast", ((x.shape, dtype),), {}, run=lambda a: a.view(numpy_dtype(dtype))), x)


def power_of_two(b: Builder, x: Tensor, rounding: Rounding, *, saturate: bool) -> Tensor:
    """Each element as a power of two near it, in the type of powers: a conversion, hence free."""
    run = partial(_powers, rounding, saturate)
    return b.emit(ops.Algorithm("cast", ((x.shape, POWERS),), {}, run=run), x)


def _powers(rounding: Rounding, saturate: bool, x: Array) -> Array:
    """|x| = m·2^e with 1 ≤ m < 2 gives 2^e, or 2^(e+1): ``up`` unless m is 1, ``nearest`` from m = 1½ on."""
    size = np.abs(np.asarray(x, dtype=np.float64))
    half, exponent = np.frexp(np.where(size > 0, size, 1.0))
    mantissa = 2 * half
    raised = {"up": mantissa > 1, "down": np.zeros(size.shape, dtype=bool), "nearest": mantissa >= 1.5}[rounding]
    code = np.where(size > 0, exponent - 1 + _BIAS + raised, 0)
    code = np.minimum(code, _LARGEST) if saturate else np.where(code > _LARGEST, _NO_NUMBER, code)
    code = np.where(np.isfinite(size), np.maximum(code, 0), _NO_NUMBER)
    return code.astype(np.uint8).view(numpy_dtype(POWERS))
