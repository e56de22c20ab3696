"""Fourier transforms, by the radix-2 algorithm.

A complex transform of n = 2^k points has (n/2)·log₂ n butterflies of one complex product and two complex
sums: 2n·log₂ n mul and 3n·log₂ n add, the 5n·log₂ n of Cooley and Tukey (1965) that benchFFT rates by.
A real one is half of it. Other lengths are rounded up to whole stages and are *estimated*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nncost.dims import Dim, Shape, ceil_log2, floor_divide, is_symbolic, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.counts import added
from nncost.ir.numpy_calls import integers


def transforms(shape: Shape, axes: Sequence[int], real: Dim | None = None) -> tuple[dict[str, Dim], bool]:
    """Amounts of the transforms along ``axes`` of a complex ``shape``, and whether all lengths are powers of two.

    With ``real``, those along the last of the axes are real, of that length.
    """
    parts, lengths = [], []
    for axis in axes:
        halved = real is not None and axis == axes[-1]
        length = real if halved and real is not None else shape[axis]
        rest = product(size for other, size in enumerate(shape) if other != axis)
        lengths.append(length)
        parts.append(transform(length, rest, real=halved))
    return added({"mul": 0, "add": 0}, *parts), all(_is_power_of_two(length) for length in lengths)


def transform(length: Dim, times: Dim, *, real: bool) -> dict[str, Dim]:
    """``times`` transforms of ``length`` points; a real one takes n·log₂ n mul and ⌊3n·log₂ n/2⌋ add."""
    stages = length * ceil_log2(length) * times
    return {"mul": stages, "add": 3 * stages // 2} if real else {"mul": 2 * stages, "add": 3 * stages}


def dft(
    b: Builder, x: Tensor, axis: int, length: Dim | None = None, *, inverse: bool = False, one_sided: bool = False
) -> Tensor:
    """The transform along ``axis`` of numbers whose last axis is their real part (1) or both parts (2).

    The axis is cut or filled with zeros to ``length``. ``one_sided`` is the half of a real signal's transform that says
    everything, or with ``inverse`` the real signal of such a half. An inverse multiplies every result by 1/length.
    """
    n: Dim = length if length is not None else 2 * (x.shape[axis] - 1) if inverse and one_sided else x.shape[axis]
    rest = product(size for other, size in enumerate(x.shape[:-1]) if other != axis)
    real = x.shape[-1] == 1 or (inverse and one_sided)
    shape = [*x.shape[:-1], 1 if inverse and one_sided else 2]
    shape[axis] = floor_divide(n, 2) + 1 if one_sided and not inverse else n
    counts = added(transform(n, rest, real=real), {"mul": product(shape)} if inverse else {})
    op = ops.Algorithm(
        "dft", ((tuple(shape), x.dtype),), counts, "" if _is_power_of_two(n) else ops.ESTIMATED,
        lambda array: _transformed(array, axis, *integers((n,)), inverse=inverse, one_sided=one_sided),
    )  # fmt: skip
    return b.emit(op, x)


def _transformed(x: Any, axis: int, length: int, *, inverse: bool, one_sided: bool) -> Any:
    wide = x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
    numbers = wide[..., 0] + 1j * wide[..., 1] if x.shape[-1] == 2 else wide[..., 0]
    if inverse and one_sided:
        return np.fft.irfft(numbers, length, axis)[..., None].astype(x.dtype)
    found = (np.fft.ifft if inverse else np.fft.fft)(numbers, length, axis)
    if one_sided:
        found = np.take(found, np.arange(length // 2 + 1), axis)
    return np.stack([found.real, found.imag], -1).astype(x.dtype)


def stft(b: Builder, signal: Tensor, step: int, frame: Dim, window: Tensor | None, *, one_sided: bool) -> Tensor:
    """``(B, L, 1 or 2)`` gives ``(B, frames, bins, 2)``: a transform every ``step`` numbers, each multiplied by a window."""
    frames = b.emit(ops.Window((1,), (frame,), (step,), (1,)), signal)
    parts = b.transpose(frames, (0, 1, 3, 2))
    with b.region(Operation("stft"), *([parts] if window is None else [parts, window])) as region:
        weighted = parts if window is None else b.map("mul", parts, b.reshape(window, (1, 1, frame, 1)))
        region.returns(dft(b, weighted, 2, one_sided=one_sided))
    return region.outputs[0]


def mel_weights(bins: int, length: int, rate: int, low: float, high: float) -> Any:
    """``(length/2 + 1, bins)``: triangles that are equally wide on the mel scale, 2595·log₁₀(1 + f/700)."""
    first, last = (2595 * np.log10(1 + edge / 700) for edge in (low, high))
    mels = np.arange(bins + 2) * ((last - first) / (bins + 2)) + first
    edges = ((length + 1) * (700 * (10 ** (mels / 2595) - 1)) // rate).astype(np.int64)
    result = np.zeros((length // 2 + 1, bins))
    for number, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if left == centre:
            result[centre, number] = 1
        else:
            result[left : centre + 1, number] = np.arange(centre - left + 1) / (centre - left)
        if right > centre:
            result[centre:right, number] = np.arange(right - centre, 0, -1) / (right - centre)
    return result


def _is_power_of_two(length: Dim) -> bool:
    return not is_symbolic(length) and length & (length - 1) == 0
