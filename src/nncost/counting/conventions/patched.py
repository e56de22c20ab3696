"""calflops and DeepSpeed's profiler: counting functions in place of PyTorch's, and hooks on recurrent layers.

calflops 0.3 began as a copy of DeepSpeed's profiler and shares its formulas; DeepSpeed has since
corrected transposed convolutions, broadcasting and interpolation and learned attention, ``mm``, ``bmm`` and ``@``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod

from nncost.counting.conventions.convention import CannotCount, Counted, FunctionRule, Rules
from nncost.counting.conventions.einsum import printed_flops, renamed
from nncost.counting.conventions.functions import POOLS, F, matmul, one_each, operands, option
from nncost.counting.conventions.recurrent import CELLS, LAYERS, cell_flops, layer_flops
from nncost.ir.call_log import CallLog, FunctionCall, LayerCall, Plain, sizes

TRANSPOSED = tuple(f"{F}conv_transpose{axes}d" for axes in (1, 2, 3))
AFFINE, PLAIN = 5, 4
"""A norm's rough cost for each element, with and without a learned scale."""
PER_PRODUCT = 2


def linear(call: FunctionCall) -> int:
    """Two for each product; biases left out."""
    x, weight = operands(call, "input", "weight")
    return PER_PRODUCT * prod(sizes(x)) * sizes(weight)[0]


def gelu(call: FunctionCall) -> int:
    """As others; its options must have names."""
    if len(call.inputs) > 1:
        raise CannotCount("gelu called with a positional option")
    return one_each(call)


def twice_matmul(call: FunctionCall) -> int:
    """Two for each product."""
    return PER_PRODUCT * matmul(call)


def addmm(call: FunctionCall) -> int:
    """Two for each product, and the sum with the matrix that is added."""
    added, left, right = call.inputs[:3]
    return PER_PRODUCT * prod(sizes(left)) * sizes(right)[-1] + prod(sizes(added))


def einsum(call: FunctionCall) -> int:
    """What NumPy prints."""
    shapes = tuple(sizes(operand) for operand in call.inputs[1:])
    return int(printed_flops(renamed(call.inputs[0]), shapes))


def norm(scale: int) -> FunctionRule:
    """Five for each element, four without a learned scale at that position."""

    def count(call: FunctionCall) -> int:
        return one_each(call) * (AFFINE if option(call, scale, "weight") is not None else PLAIN)

    return count


def batch_norm(call: FunctionCall) -> int:
    """Two for each element, one without a learned scale."""
    if option(call, 5, "training", False):
        return norm(3)(call)
    return one_each(call) * (2 if option(call, 3, "weight") is not None else 1)


def repeated(value: Plain, axes: int) -> tuple[Plain, ...]:
    """A tuple as it is, anything else once for each axis."""
    return value if isinstance(value, tuple) else (value,) * axes


def convolution(call: FunctionCall) -> int:
    """Two for each product, and the biases."""
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    axes, groups = len(x) - 2, int(option(call, 6, "groups", 1))
    if axes < 1 or weight[1] * groups != x[1]:
        raise CannotCount("a convolution of one example without a batch axis")
    strides = repeated(option(call, 3, "stride", 1), axes)
    dilations = repeated(option(call, 5, "dilation", 1), axes)
    padding = option(call, 4, "padding", 0)
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilations, weight[2:], strict=True))
    pads = repeated(0 if padding == "valid" else padding, axes)
    shape = zip(x[2:], weight[2:], strides, pads, dilations, strict=True)
    places: int = x[0] * prod(convolved(*axis) for axis in shape)
    macs = prod(weight[2:]) * x[1] * (weight[0] // groups) * places
    return PER_PRODUCT * macs + (weight[0] * places if option(call, 2, "bias") is not None else 0)


def convolved(size: int, kernel: int, stride: int, pad: int, dilation: int, _: int = 0) -> int:
    """The output positions of a convolution along one axis."""
    return (size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1


def biases(call: FunctionCall, channels: int, length: Callable[..., int]) -> int:
    """One for each output of a transposed convolution with biases; ``length`` gives the positions along an axis."""
    if option(call, 2, "bias") is None:
        return 0
    x, weight = (sizes(value) for value in operands(call, "input", "weight"))
    settings = (option(call, position, name, default) for position, name, default in _TRANSPOSED_SETTINGS)
    shape = zip(x[2:], weight[2:], *(repeated(value, len(x) - 2) for value in settings), strict=True)
    positions: int = prod(length(*axis) for axis in shape)
    return channels * x[0] * positions


_TRANSPOSED_SETTINGS = ((3, "stride", 1), (4, "padding", 0), (7, "dilation", 1), (5, "output_padding", 0))
NUMEL = ("relu", "prelu", "elu", "leaky_relu", "relu6", "silu", "softmax")
SHARED: Rules = {
    f"{F}linear": (linear, "two for each product; biases left out"),
    **{f"{F}conv{axes}d": (convolution, "two for each product, and the biases") for axes in (1, 2, 3)},
    **{f"{F}{name}": (one_each, "one for each element") for name in (*NUMEL, *POOLS)},
    f"{F}gelu": (gelu, "one for each element"),
    f"{F}batch_norm": (batch_norm, "a norm: two for each element"),
    f"{F}layer_norm": (norm(2), "a norm: five for each element"),
    f"{F}instance_norm": (norm(3), "a norm: five for each element"),
    f"{F}group_norm": (norm(2), "a norm: five for each element"),
    f"{F}embedding": (lambda _: 0, "free"),
    **dict.fromkeys(("torch.matmul", "torch.Tensor.matmul"), (twice_matmul, "two for each product")),
    **dict.fromkeys(
        ("torch.addmm", "torch.Tensor.addmm", "torch.baddbmm"), (addmm, "two for each product, one for each sum")
    ),
    "torch.einsum": (einsum, "what NumPy prints, with four digits"),
}


def counted(log: CallLog, rules: Rules, visits: Mapping[str, int]) -> Iterator[Counted]:
    """Every call with its formula, as often as the tool comes by its layer."""
    for event in log.events:
        if isinstance(event, FunctionCall):
            name = event.name.rpartition(".")[2]
            if event.name in rules:
                rule, reason = rules[event.name]
                yield Counted(event.path, name, rule(event) * visits[event.path], reason)
            elif event.name.startswith("aten::") and log.layers[event.path].kind not in (*LAYERS, *CELLS):
                yield Counted(event.path, event.name.removeprefix("aten::"), 0, "its function is not replaced: 0")
        else:
            yield from _recurrent(event, log, visits)


def _recurrent(call: LayerCall, log: CallLog, visits: Mapping[str, int]) -> Iterator[Counted]:
    layer = log.layers[call.path]
    rule = layer_flops if layer.kind in LAYERS else cell_flops if layer.kind in CELLS else None
    if rule is not None:
        amount = rule(call, layer, products=PER_PRODUCT) * visits[call.path]
        yield Counted(call.path, layer.name, amount, "a hook: products, biases and some gates")
