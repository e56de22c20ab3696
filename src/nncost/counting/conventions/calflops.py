"""calflops: the FLOPs of ``calculate_flops(model, args=[…])``."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Rules, Tool
from nncost.counting.conventions.functions import (
    INTERPOLATIONS,
    elementwise,
    from_the_left,
    operands,
    option,
)
from nncost.counting.conventions.layers import visits
from nncost.counting.conventions.patched import PER_PRODUCT, SHARED, TRANSPOSED, biases, convolved, counted, repeated
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, sizes


def _transposed(call: FunctionCall) -> int:
    """Groups divide the outputs twice, and the biases are those of an ordinary convolution's output."""
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    groups = int(option(call, 6, "groups", 1))
    macs = prod(weight[2:]) * x[1] * (weight[1] // groups) * x[0] * prod(x[2:])
    return PER_PRODUCT * macs + biases(call, weight[1], convolved)


def _interpolate(call: FunctionCall) -> int:
    """The size asked for, without channels and examples; with a factor the elements that go in."""
    size = option(call, 1, "size")
    if size is not None:
        return prod(repeated(size, 1))
    factor = option(call, 2, "scale_factor")
    if factor is None or (isinstance(factor, tuple) and len(factor) != call.shape(0)[0]):
        raise CannotCount("an interpolation by several factors")
    return call.elements(0)


RULES: Rules = {
    **SHARED,
    **elementwise(from_the_left),
    **dict.fromkeys(TRANSPOSED, (_transposed, "groups divide twice; biases by a wrong size")),
    **dict.fromkeys(INTERPOLATIONS, (_interpolate, "the size without channels, or the input's")),
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
