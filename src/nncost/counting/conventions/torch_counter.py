"""PyTorch's own ``FlopCounterMode``: two for each product, by a table of operators as they reach the device.

What its table does not name is zero without a word. On a CPU that is the attention kernel and the
recurrent layer of oneDNN. The weight gradient of a grouped convolution is counted once per group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

from nncost.counting.conventions.convention import Convention, Counted, FunctionRule, Tool
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, Plain, sizes

Sizes = Sequence[int]
PER_PRODUCT = 2


def _product(first: int) -> FunctionRule:
    """Two for each product of the matrices (or stacks of them) at the positions ``first`` and ``first + 1``."""
    return lambda call: PER_PRODUCT * call.elements(first) * call.shape(first + 1)[-1]


def _products(x: Sizes, weight: Sizes, out: Sizes, *, transposed: bool) -> int:
    """The kernel for every place of the output, or of the input of a transposed convolution."""
    return PER_PRODUCT * x[0] * prod(weight) * prod((x if transposed else out)[2:])


def _convolution(call: FunctionCall) -> int:
    x, weight = call.shape(0), call.shape(1)
    return _products(x, weight, sizes(call.output), transposed=call.inputs[6])


def _turned(sizes: Sizes) -> tuple[int, ...]:
    return (sizes[1], sizes[0], *sizes[2:])


def _convolution_backward(call: FunctionCall) -> int:
    """The input gradient as the opposite convolution, the weight gradient as one without its groups."""
    grad, x, weight = (call.shape(position) for position in range(3))
    transposed, wanted = call.inputs[7], call.inputs[10]
    flops = 0
    if wanted[0]:
        flops += _products(grad, weight, sizes(call.output[0]), transposed=not transposed)
    if wanted[1]:
        first, second = (grad, x) if transposed else (x, grad)
        out = _turned(sizes(call.output[1]))
        flops += _products(_turned(first), _turned(second), out, transposed=False)
    return flops


def _attended(query: Plain, key: Plain, value: Plain) -> tuple[int, int]:
    """Products of the scores and of the weighted sum."""
    b, heads, rows, wide = sizes(query)
    scores = b * heads * rows * sizes(key)[2]
    return scores * wide, scores * sizes(value)[3]


def _attention(call: FunctionCall) -> int:
    return PER_PRODUCT * sum(_attended(*call.inputs[:3]))


def _attention_backward(call: FunctionCall) -> int:
    """The scores once more, then two products for each of the two."""
    scores, weighted = _attended(*call.inputs[1:4])
    return PER_PRODUCT * (3 * scores + 2 * weighted)


RULES: Mapping[str, FunctionRule] = {
    "aten::mm": _product(0),
    "aten::_scaled_mm": _product(0),
    "aten::addmm": _product(1),
    "aten::bmm": _product(0),
    "aten::baddbmm": _product(1),
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    "aten::convolution_backward": _convolution_backward,
    "aten::_scaled_dot_product_efficient_attention": _attention,
    "aten::_scaled_dot_product_flash_attention": _attention,
    "aten::_scaled_dot_product_cudnn_attention": _attention,
    "aten::_scaled_dot_product_efficient_attention_backward": _attention_backward,
    "aten::_scaled_dot_product_flash_attention_backward": _attention_backward,
    "aten::_scaled_dot_product_cudnn_attention_backward": _attention_backward,
}


def _count(log: CallLog) -> Iterator[Counted]:
    for call in log.function_calls():
        name = call.name.removeprefix("aten::")
        rule = RULES.get(call.name)
        if rule is None:
            yield Counted(call.path, name, 0, "not in its table: 0", call.phase)
        else:
            reason = "two for each product"
            if call.name == "aten::convolution_backward" and call.inputs[9] != 1 and call.inputs[10][1]:
                reason = "the weight gradient is counted once per group"
            yield Counted(call.path, name, rule(call), reason, call.phase)


TORCH = Convention(
    "torch",
    "flops = 2·macs of the operators PyTorch's FlopCounterMode knows; of a spec or an ONNX file 2·macs of all",
    weights={"macs": PER_PRODUCT},
    tool=Tool("torch 2.13.0", "flops", Instrumentation(backward=True, hooked=False), _count),
)
