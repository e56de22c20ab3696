"""Fourier transforms, by the radix-2 algorithm.

A complex transform of n = 2^k points has (n/2)·log₂ n butterflies of one complex product and two complex
sums: 2n·log₂ n mul and 3n·log₂ n add, the 5n·log₂ n of Cooley and Tukey (1965) that benchFFT rates by.
A real one is half of it. Other lengths are rounded up to whole stages and called estimated.
"""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, ceil_log2, is_symbolic, product
from nncost.frontends.torch.lowerings.operands import added_counts, algorithm
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.graph import Tensor

UNSCALED = 0
"""PyTorch's number for a transform without normalisation."""
ESTIMATED = "estimated"


def transform(length: Dim, times: Dim, *, real: bool) -> dict[str, Dim]:
    """``times`` transforms of ``length`` points; the products of a real one are n·log₂ n, its sums ⌊3n·log₂ n/2⌋."""
    stages = length * ceil_log2(length) * times
    return {"mul": stages, "add": 3 * stages // 2} if real else {"mul": 2 * stages, "add": 3 * stages}


def _is_power_of_two(length: Dim) -> bool:
    return not is_symbolic(length) and length & (length - 1) == 0


def _transforms(call: Call, shape: Sequence[Dim], dims: Sequence[int], real: int | None) -> Tensor:
    """Transforms along each of ``dims`` of a complex ``shape``; along the axis ``real``, of its true length, real ones."""
    parts = []
    lengths = []
    for dim in dims:
        axis = dim % len(shape)
        length = shape[axis]
        rest = product(size for place, size in enumerate(shape) if place != axis)
        lengths.append(length if real is None or dim != dims[-1] else real)
        parts.append(transform(lengths[-1], rest, real=real is not None and dim == dims[-1]))
    outputs = Tensor(*call.outputs[0])
    if call.get("normalization", UNSCALED) != UNSCALED:
        parts.append({"mul": outputs.elements * (2 if outputs.dtype.startswith("complex") else 1)})
    note = "" if all(_is_power_of_two(length) for length in lengths) else ESTIMATED
    return algorithm(call, added_counts(*parts), note=note, name="fft")[0]


@lowers("aten::_fft_c2c")
def _complex(call: Call) -> Tensor:
    return _transforms(call, call.tensor("self").shape, call["dim"], None)


@lowers("aten::_fft_r2c")
def _real_to_complex(call: Call) -> Tensor:
    """The last axis is real; the others are transformed for the half of it that is kept."""
    x, dims = call.tensor("self"), call["dim"]
    length = x.shape[dims[-1] % x.rank]
    half = list(x.shape)
    half[dims[-1] % x.rank] = length // 2 + 1
    return _transforms(call, half, dims, length)


@lowers("aten::_fft_c2r")
def _complex_to_real(call: Call) -> Tensor:
    return _transforms(call, call.tensor("self").shape, call["dim"], call["last_dim_size"])
