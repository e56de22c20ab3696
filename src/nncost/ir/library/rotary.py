"""Rotary positions: pairs of features turned by an angle that depends on the position (Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

from nncost.dims import Dim, exact_divide
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation


def rotary(b: Builder, x: Tensor, cosine: Tensor, sine: Tensor, *, interleaved: bool = False) -> Tensor:
    """``x`` (B, H, T, E) with its first R features turned, ``cosine`` and ``sine`` (B, T, R/2): 2 mul and 1 add for each.

    A pair is a feature and the one R/2 further, or ``interleaved`` one and the next.
    """
    half: Dim = cosine.shape[-1]
    rest = x.shape[3] - 2 * half
    with b.region(Operation("rotary"), x, cosine, sine) as region:
        turned, *kept = b.split(x, (2 * half, rest), 3) if rest != 0 else (x,)
        first, second = _pairs(b, turned, half, interleaved=interleaved)
        c, s = (b.broadcast(b.unsqueeze(each, 1), first.shape) for each in (cosine, sine))
        real = b.map("sub", b.map("mul", c, first), b.map("mul", s, second))
        imaginary = b.map("add", b.map("mul", s, first), b.map("mul", c, second))
        if interleaved:
            pair = b.concat([b.unsqueeze(real, 4), b.unsqueeze(imaginary, 4)], 4)
            whole = b.reshape(pair, turned.shape)
        else:
            whole = b.concat([real, imaginary], 3)
        region.returns(b.concat([whole, *kept], 3))
    return region.outputs[0]


def _pairs(b: Builder, x: Tensor, half: Dim, *, interleaved: bool) -> tuple[Tensor, Tensor]:
    if not interleaved:
        first, second = b.split(x, (half, half), 3)
        return first, second
    batch, heads, length, width = x.shape
    apart = b.reshape(x, (batch, heads, length, exact_divide(width, 2), 2))
    first, second = (b.reshape(each, apart.shape[:4]) for each in b.split(apart, (1, 1), 4))
    return first, second
