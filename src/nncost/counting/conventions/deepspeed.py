"""DeepSpeed's profiler: the FLOPs of ``get_model_profile(model, args=[…])``."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Tool
from nncost.counting.conventions.einsum import printed_flops, renamed
from nncost.counting.conventions.elementwise import from_the_right, operands
from nncost.counting.conventions.patched import (
    PER_PRODUCT,
    SHARED,
    F,
    Rules,
    counted,
    elementwise,
    matmul,
    option,
    repeated,
)
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, sizes


def _transposed(call: FunctionCall) -> int:
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    axes, groups = len(x) - 2, int(option(call, 6, "groups", 1))
    macs = prod(weight) * x[0] * prod(x[2:])
    if option(call, 2, "bias", None) is None:
        return PER_PRODUCT * macs
    strides = repeated(option(call, 3, "stride", 1), axes)
    pads = repeated(option(call, 4, "padding", 0), axes)
    more = repeated(option(call, 5, "output_padding", 0), axes)
    dilations = repeated(option(call, 7, "dilation", 1), axes)
    shape = zip(x[2:], strides, pads, dilations, weight[2:], more, strict=True)
    places: int = prod((size - 1) * s - 2 * p + d * (k - 1) + o + 1 for size, s, p, d, k, o in shape)
    return PER_PRODUCT * macs + weight[1] * groups * x[0] * places


def _interpolate(call: FunctionCall) -> int:
    """The size asked for, without channels and examples; with a factor the elements that come out."""
    size = option(call, 1, "size", None)
    if size is not None:
        return prod(repeated(size, 1))
    factor = option(call, 2, "scale_factor", None)
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
    **{f"{F}conv_transpose{axes}d": (_transposed, "two for each product, and the biases") for axes in (1, 2, 3)},
    **{
        f"{F}{name}": (_interpolate, "one for each output, or the size without channels")
        for name in ("upsample", "interpolate")
    },
    f"{F}scaled_dot_product_attention": (_attention, "two for each product; softmax and scale left out"),
    **dict.fromkeys(
        ("torch.Tensor.__matmul__", "torch.mm", "torch.Tensor.mm", "torch.bmm", "torch.Tensor.bmm"),
        (matmul, "two for each product"),
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
