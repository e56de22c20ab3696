"""calflops: the FLOPs of ``calculate_flops(model, args=[…])``."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Tool
from nncost.counting.conventions.elementwise import from_the_left, operands
from nncost.counting.conventions.patched import (
    PER_PRODUCT,
    SHARED,
    F,
    Rules,
    counted,
    elementwise,
    option,
    repeated,
)
from nncost.counting.conventions.visits import visits
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, sizes


def _transposed(call: FunctionCall) -> int:
    """Groups divide the outputs twice, and the biases are those of an ordinary convolution's output."""
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    axes, groups = len(x) - 2, int(option(call, 6, "groups", 1))
    macs = prod(weight[2:]) * x[1] * (weight[1] // groups) * x[0] * prod(x[2:])
    if option(call, 2, "bias", None) is None:
        return PER_PRODUCT * macs
    strides = repeated(option(call, 3, "stride", 1), axes)
    pads = repeated(option(call, 4, "padding", 0), axes)
    dilations = repeated(option(call, 7, "dilation", 1), axes)
    shape = zip(x[2:], pads, dilations, weight[2:], strides, strict=True)
    places: int = prod((size + 2 * p - (d * (k - 1) + 1)) // s + 1 for size, p, d, k, s in shape)
    return PER_PRODUCT * macs + weight[1] * x[0] * places


def _interpolate(call: FunctionCall) -> int:
    """The size asked for, without channels and examples; with a factor the elements that go in."""
    size = option(call, 1, "size", None)
    if size is not None:
        return prod(repeated(size, 1))
    factor = option(call, 2, "scale_factor", None)
    if factor is None or (isinstance(factor, tuple) and len(factor) != call.shape(0)[0]):
        raise CannotCount("an interpolation by several factors")
    return call.elements(0)


RULES: Rules = {
    **SHARED,
    **elementwise(from_the_left),
    **{f"{F}conv_transpose{axes}d": (_transposed, "groups divide twice; biases by a wrong size") for axes in (1, 2, 3)},
    **{
        f"{F}{name}": (_interpolate, "the size without channels, or the input's")
        for name in ("upsample", "interpolate")
    },
}


def _count(log: CallLog) -> Iterator[Counted]:
    if not any(layer.parameters for layer in log.layers.values()):
        raise CannotCount("a network without parameters")
    return counted(log, RULES, visits(log.layers))


CALFLOPS = Convention(
    "calflops",
    "the FLOPs that calculate_flops of calflops 0.3.2 says: two for each product it sees, with norms, activations and pooling",
    tool=Tool("calflops 0.3.2", "flops", Instrumentation(evaluates=True, functions=tuple(RULES)), _count),
)
