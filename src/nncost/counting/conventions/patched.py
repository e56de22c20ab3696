"""calflops and DeepSpeed's profiler: counting functions in place of PyTorch's, and hooks on recurrent layers.

calflops 0.3 began as a copy of DeepSpeed's profiler and shares its formulas; DeepSpeed has since
corrected transposed convolutions, broadcasting and interpolation and learned attention, ``mm``, ``bmm`` and ``@``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod

from nncost.counting.conventions.convention import CannotCount, Counted
from nncost.counting.conventions.einsum import printed_flops, renamed
from nncost.counting.conventions.elementwise import operands
from nncost.counting.conventions.recurrent import CELLS, LAYERS, cell_flops, layer_flops
from nncost.ir.call_log import CallLog, FunctionCall, LayerCall, Plain, sizes

Rule = Callable[[FunctionCall], int]
Rules = Mapping[str, tuple[Rule, str]]
F = "torch.nn.functional."
AFFINE, PLAIN = 5, 4
"""A norm's rough cost for each element, with and without a learned scale."""
PER_PRODUCT = 2


def linear(call: FunctionCall) -> int:
    """Two for each product; biases left out."""
    x, weight = operands(call, "input", "weight")
    return PER_PRODUCT * prod(sizes(x)) * sizes(weight)[0]


def one_each(call: FunctionCall) -> int:
    """One for each element that goes in."""
    return prod(sizes(operands(call, "input")[0]))


def gelu(call: FunctionCall) -> int:
    """As others; its options must have names."""
    if len(call.inputs) > 1:
        raise CannotCount("gelu called with a positional option")
    return one_each(call)


def free(call: FunctionCall) -> int:
    """Nothing."""
    return 0


def matmul(call: FunctionCall) -> int:
    """Two for each product, by the sizes of the first and the last size of the second."""
    left, right = operands(call, *(("self", "other") if call.name.startswith("torch.Tensor") else ("input", "other")))
    return PER_PRODUCT * prod(sizes(left)) * sizes(right)[-1]


def addmm(call: FunctionCall) -> int:
    """Two for each product, and the sum with the matrix that is added."""
    added, left, right = call.inputs[:3]
    return PER_PRODUCT * prod(sizes(left)) * sizes(right)[-1] + prod(sizes(added))


def einsum(call: FunctionCall) -> int:
    """What NumPy prints."""
    shapes = tuple(sizes(operand) for operand in call.inputs[1:])
    return int(printed_flops(renamed(call.inputs[0]), shapes))


def norm(scale: int) -> Rule:
    """Five for each element, four without a learned scale at that position."""

    def count(call: FunctionCall) -> int:
        given = call.inputs[scale] if len(call.inputs) > scale else call.keywords.get("weight")
        return one_each(call) * (AFFINE if given is not None else PLAIN)

    return count


def batch_norm(call: FunctionCall) -> int:
    """Two for each element, one without a learned scale."""
    weight = call.inputs[3] if len(call.inputs) > 3 else call.keywords.get("weight")
    training = call.inputs[5] if len(call.inputs) > 5 else call.keywords.get("training", False)
    if training:
        return one_each(call) * (AFFINE if weight is not None else PLAIN)
    return one_each(call) * (2 if weight is not None else 1)


def option(call: FunctionCall, position: int, name: str, default: Plain) -> Plain:
    """An option by position or by name."""
    return call.inputs[position] if len(call.inputs) > position else call.keywords.get(name, default)


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
    shape = zip(x[2:], pads, dilations, weight[2:], strides, strict=True)
    places: int = x[0] * prod((size + 2 * p - (d * (k - 1) + 1)) // s + 1 for size, p, d, k, s in shape)
    macs = prod(weight[2:]) * x[1] * (weight[0] // groups) * places
    return PER_PRODUCT * macs + (weight[0] * places if option(call, 2, "bias", None) is not None else 0)


NUMEL = ("relu", "prelu", "elu", "leaky_relu", "relu6", "silu", "softmax")
POOLS = tuple(f"{kind}_pool{axes}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for axes in (1, 2, 3))
SHARED: Rules = {
    f"{F}linear": (linear, "two for each product; biases left out"),
    **{f"{F}conv{axes}d": (convolution, "two for each product, and the biases") for axes in (1, 2, 3)},
    **{f"{F}{name}": (one_each, "one for each element") for name in (*NUMEL, *POOLS)},
    f"{F}gelu": (gelu, "one for each element"),
    f"{F}batch_norm": (batch_norm, "a norm: two for each element"),
    f"{F}layer_norm": (norm(2), "a norm: five for each element"),
    f"{F}instance_norm": (norm(3), "a norm: five for each element"),
    f"{F}group_norm": (norm(2), "a norm: five for each element"),
    f"{F}embedding": (free, "free"),
    **dict.fromkeys(("torch.matmul", "torch.Tensor.matmul"), (matmul, "two for each product")),
    **dict.fromkeys(
        ("torch.addmm", "torch.Tensor.addmm", "torch.baddbmm"), (addmm, "two for each product, one for each sum")
    ),
    "torch.einsum": (einsum, "what NumPy prints, with four digits"),
}


def elementwise(rule: Callable[[Plain, Plain], int]) -> Rules:
    """Products and sums that are called by name; those written with a sign are not seen."""

    def count(call: FunctionCall) -> int:
        return rule(*operands(call, "input", "other"))

    return {
        f"{owner}.{name}": (count, "one for each element; not where it is written with a sign")
        for owner in ("torch", "torch.Tensor")
        for name in ("mul", "add")
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
