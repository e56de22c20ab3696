"""ptflops' own back end: hooks on layers by class, and counting functions besides, for one example.

A layer whose forward calls a function that is counted too (ReLU, pooling, GELU) counts twice. Below a
layer with a rule nothing is added up, so timm's attention hides its projections. The sum of the layers
is divided by the batch, that of the functions is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Rules, Tool
from nncost.counting.conventions.functions import (
    INTERPOLATIONS,
    POOLS,
    F,
    elementwise,
    from_the_left,
    matmul,
    one_each,
    operands,
    option,
)
from nncost.counting.conventions.layers import LayerRule, inputs, outputs, visits
from nncost.counting.conventions.recurrent import CELLS, LAYERS, cell_flops, layer_flops
from nncost.ir.call_log import CallLog, FunctionCall, Instrumentation, Layer, LayerCall, TensorMeta, sizes

NN = "torch.nn.modules."
DEFORMED, MODULATED = 24, 1
"""What ptflops adds for each tap of a deformable convolution: 20 for the sample, 4 for its place, 1 for a mask."""


# ------------------------------------------------------------------- layers
def _upsample(call: LayerCall, layer: Layer) -> int:
    return prod(sizes(call.output)[1:])


def _linear(call: LayerCall, layer: Layer) -> int:
    x, out = sizes(call.inputs[0]), sizes(call.output)[-1]
    return (x[-1] * out + (out if "bias" in layer.parameters else 0)) * prod(x[:-1])


def _norm(call: LayerCall, layer: Layer) -> int:
    return inputs(call, layer) * (2 if layer.options.get("affine") else 1)


def _convolution(call: LayerCall, layer: Layer) -> int:
    x, out = sizes(call.inputs[0]), sizes(call.output)
    options = layer.options
    each = int(options["in_channels"]) * (int(options["out_channels"]) // int(options["groups"])) + _extra(call, layer)
    places = x[0] * prod((x if options.get("transposed") else out)[2:])
    bias = x[0] * prod(out[1:]) if "bias" in layer.parameters else 0
    return prod(options["kernel_size"]) * each * places + bias


def _extra(call: LayerCall, layer: Layer) -> int:
    if layer.name != "DeformConv2d":
        return 0
    return DEFORMED + (MODULATED if len(call.inputs) > 2 and call.inputs[2] is not None else 0)


def _multihead(call: LayerCall, layer: Layer) -> int:
    if len(call.inputs) != 3:
        raise CannotCount("multi-head attention called with names")
    q, k, v = (sizes(value) for value in call.inputs)
    axis = 1 if layer.options.get("batch_first") else 0
    heads, wide = int(layer.options["num_heads"]), q[2]
    rows, columns, values = q[axis], k[axis], v[axis]
    flops = rows * wide + rows * wide * wide + columns * k[2] * k[2] + values * v[2] * v[2]
    if "in_proj_bias" in layer.parameters:
        flops += (rows + columns + values) * wide
    flops += heads * (rows * columns * (wide // heads) + rows * columns + rows * columns * (v[2] // heads))
    return (flops + rows * v[2] * (v[2] + 1)) * q[1 - axis]


def _timm_attention(call: LayerCall, layer: Layer) -> int:
    batch, rows, _ = sizes(call.inputs[0])
    heads, wide = int(layer.options["num_heads"]), int(layer.options["head_dim"])
    return batch * heads * (rows * wide + 2 * rows * rows * wide + rows * rows)


ACTIVATIONS = ("ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU")
POOL_LAYERS = tuple(f"{kind}Pool{axes}d" for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg") for axes in (1, 2, 3))
LAYER_RULES: Mapping[str, tuple[LayerRule, str]] = {
    **{f"{NN}conv.{kind}{axes}d": (_convolution, "the products, and the biases") for kind in ("Conv", "ConvTranspose") for axes in (1, 2, 3)},
    **{f"{NN}activation.{name}": (outputs, "one for each element") for name in ACTIVATIONS},
    **{f"{NN}pooling.{name}": (inputs, "one for each element that goes in") for name in POOL_LAYERS},
    **{f"{NN}{place}{axes}d": (_norm, "a norm: two for each element") for place in ("batchnorm.BatchNorm", "instancenorm.InstanceNorm") for axes in (1, 2, 3)},
    f"{NN}normalization.GroupNorm": (_norm, "a norm: two for each element"),
    f"{NN}normalization.LayerNorm": (_norm, "a norm: one for each element"),
    f"{NN}linear.Linear": (_linear, "the products, and the biases"),
    f"{NN}upsampling.Upsample": (_upsample, "one for each output of one example"),
    **{name: (lambda call, layer: layer_flops(call, layer, products=1), "products, biases and some gates") for name in LAYERS},
    **{name: (lambda call, layer: cell_flops(call, layer, products=1), "products, biases and some gates") for name in CELLS},
    f"{NN}activation.MultiheadAttention": (_multihead, "projections, scores, softmax and scale by a formula"),
    "timm.layers.attention.Attention": (_timm_attention, "scores, softmax and scale by a formula; its projections are hidden"),
    "torchvision.ops.deform_conv.DeformConv2d": (_convolution, "the products, and 24 for each tap"),
}  # fmt: skip


# ------------------------------------------------------------------- functions
def _interpolate(call: FunctionCall) -> int:
    x = sizes(operands(call, "input")[0])
    size = option(call, 1, "size")
    if size is not None:
        return prod(size if isinstance(size, tuple) else (size,) * (len(x) - 2)) * prod(x[:2])
    factor = option(call, 2, "scale_factor")
    if isinstance(factor, tuple) and len(factor) == len(x) - 2:
        return prod(x) * int(prod(factor))
    return int(prod(x) * factor ** (len(x) - 2))


def _addmm(call: FunctionCall) -> int:
    added, left, right = call.inputs[:3]
    return prod(sizes(left)) * sizes(right)[-1] + (prod(sizes(added)) if call.keywords.get("beta", 1) != 0 else 0)


FUNCTIONALS = ("relu", "prelu", "elu", "relu6", "gelu", "silu", "softmax", *POOLS)
FUNCTION_RULES: Rules = {
    **{f"{F}{name}": (one_each, "one for each element, also inside a layer that counts it") for name in FUNCTIONALS},
    **dict.fromkeys(INTERPOLATIONS, (_interpolate, "one for each output")),
    **{f"{owner}.{name}": (matmul, "the products") for owner in ("torch", "torch.Tensor") for name in ("matmul", "mm", "bmm")},
    **dict.fromkeys(("torch.addmm", "torch.Tensor.addmm", "torch.baddbmm"), (_addmm, "the products, and the sum")),
    **elementwise(from_the_left),
}  # fmt: skip


def _count(log: CallLog) -> Iterator[Counted]:
    layers, batch = log.layers, _batch(log)
    met = visits(layers, lambda layer: layer.kind not in LAYER_RULES)
    rest = Fraction(0)
    for event in log.events:
        if isinstance(event, FunctionCall):
            name = event.name.rpartition(".")[2]
            if event.name in FUNCTION_RULES:
                count, reason = FUNCTION_RULES[event.name]
                yield Counted(event.path, name, count(event), reason)
            elif event.name.startswith("aten::") and layers[event.path].kind not in LAYER_RULES:
                yield Counted(event.path, event.name.removeprefix("aten::"), 0, "no rule for its layer: 0")
        elif layers[event.path].kind in LAYER_RULES:
            rule, reason = LAYER_RULES[layers[event.path].kind]
            exact = Fraction(rule(event, layers[event.path]) * met[event.path], batch)
            rest += exact - int(exact)
            hidden = met[event.path] == 0
            yield Counted(
                event.path,
                layers[event.path].name,
                int(exact),
                "hidden by the layer around it: 0" if hidden else reason,
            )
    if rest >= 1:
        yield Counted("", "rounding", int(rest), "parts of the batch")


def _batch(log: CallLog) -> int:
    """The length of the model's only positional input, over all its calls; 1 for inputs by name."""
    given = [call.inputs[0] if len(call.inputs) == 1 else None for call in log.layer_calls() if call.path == ""]
    return sum(sizes(first)[0] if isinstance(first, TensorMeta) else 1 for first in given)


PTFLOPS = Convention(
    "ptflops",
    "the MACs of one example that get_model_complexity_info of ptflops 0.7.5 says: products, biases, norms, activations, pooling",
    tool=Tool("ptflops 0.7.5", "macs", Instrumentation(evaluates=True, functions=tuple(FUNCTION_RULES)), _count),
)
