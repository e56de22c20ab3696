"""DeepSpeed's profiler: the FLOPs of ``get_model_profile(model, args=[…])``."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Rules, Tool
from nncost.counting.conventions.einsum import printed_flops, renamed
from nncost.counting.conventions.functions import (
    INTERPOLATIONS,
    F,
    elementwise,
    from_the_right,
    operands,
    option,
)
from nncost.counting.conventions.patched import (
    PER_PRODUCT,
    SHARED,
    TRANSPOSED,
    biases,
    counted,
    repeated,
    twice_matmul,
)
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, sizes


def _transposed(call: FunctionCall) -> int:
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    macs, groups = prod(weight) * x[0] * prod(x[2:]), int(option(call, 6, "groups", 1))
    return PER_PRODUCT * macs + biases(call, weight[1] * groups, _transposed_length)


def _transposed_length(size: int, kernel: int, stride: int, pad: int, dilation: int, extra: int) -> int:
    return (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + extra + 1


def _interpolate(call: FunctionCall) -> int:
    """The size asked for, without channels and examples; with a factor the elements that come out."""
    size = option(call, 1, "size")
    if size is not None:
        return prod(repeated(size, 1))
    factor = option(call, 2, "scale_factor")
    if factor is None:
        raise CannotCount("an interpolation without a size")
    return int(call.elements(0) * prod(repeated(factor, len(call.shape(0)) - 2)))


def _attention(call: FunctionCall) -> int:
    """Two for each product of the scores and of the weighted sum; nothing for the softmax."""
    query, key, value = (sizes(each) for each in operands(call, "query", "key", "value"))
    return PER_PRODUCT * (prod(query) * key[-2] + prod(query[:-1]) * key[-2] * value[-1])


def _einops(call: FunctionCall) -> int:
    *arrays, equation = call.inputs
    return int(printed_flops(renamed(equation), tuple(sizes(array) for array in arrays)))


RULES: Rules = {
    **SHARED,
    **elementwise(from_the_right),
    **dict.fromkeys(TRANSPOSED, (_transposed, "two for each product, and the biases")),
    **dict.fromkeys(INTERPOLATIONS, (_interpolate, "one for each output, or the size without channels")),
    f"{F}scaled_dot_product_attention": (_attention, "two for each product; softmax and scale left out"),
    **dict.fromkeys(
        ("torch.Tensor.__matmul__", "torch.mm", "torch.Tensor.mm", "torch.bmm", "torch.Tensor.bmm"),
        (twice_matmul, "two for each product"),
    ),
    "einops.einsum": (_einops, "what NumPy prints, with four digits"),
}


def _count(log: CallLog) -> Iterator[Counted]:
    return counted(log, RULES, dict.fromkeys(log.layers, 1))


DEEPSPEED = Convention(
    "deepspeed",
    "the FLOPs that get_model_profile of DeepSpeed 0.19.8 says: two for each product it sees, with norms and activations",
    tool=Tool("DeepSpeed 0.19.8", "flops", Instrumentation(evaluates=True, functions=tuple(RULES)), _count),
)
