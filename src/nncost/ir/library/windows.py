"""How far windows reach over the border of an axis: padding that keeps a size, and the overhang of ceil mode."""

from __future__ import annotations

from nncost.dims import Dim, ceil_divide, floor_divide, is_symbolic


def same_padding(length: Dim, reach: Dim, stride: int) -> Dim | None:
    """The padding of both sides together that leaves ⌈length/stride⌉ windows; None if that has no closed form.

    ``reach`` is how many elements a window spans: dilation·(kernel − 1) + 1.
    """
    if stride == 1:
        return reach - 1
    needed = (ceil_divide(length, stride) - 1) * stride + reach - length
    return None if is_symbolic(needed) else max(0, needed)


def halves(total: Dim) -> tuple[Dim, Dim]:
    """A width as two halves; the odd element belongs to the second."""
    return floor_divide(total, 2), total - floor_divide(total, 2)


def overhang(length: Dim, before: Dim, after: Dim, reach: Dim, stride: int) -> Dim:
    """How far the last window of ceil mode reaches over an end that is padded by ``after`` elements.

    A window that would start behind the input and the padding ``before`` it is left out.
    """
    span = length + before + after - reach
    steps = ceil_divide(span, stride)
    if not is_symbolic(steps) and steps * stride >= length + before:
        steps -= 1
    over = steps * stride - span
    return over if is_symbolic(over) else max(0, over)
