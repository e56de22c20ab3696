"""thop: the first number of ``profile(model, inputs)``, called MACs, from hooks on layers by their exact class.

What no class in its table stands for is zero without a word: attention, functions, parameters of the
model's own. A transposed convolution is counted as if it were an ordinary one of its output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from nncost.counting.conventions.convention import Convention, Counted, Tool
from nncost.counting.conventions.layers import CONTAINERS, LayerRule, inputs, outputs, visits
from nncost.ir.call_log import CallLog, Instrumentation, Layer, LayerCall, sizes

NN = "torch.nn.modules."
NORM = 2
INTERPOLATED = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}
"""thop's operations for each output of an interpolation."""


def _convolution(call: LayerCall, layer: Layer) -> int:
    channels = sizes(call.inputs[0])[1] // int(layer.options["groups"])
    return prod(sizes(call.output)) * channels * prod(layer.parameters["weight"].shape[2:])


def _norm(call: LayerCall, layer: Layer) -> int:
    learned = layer.options.get("affine") or layer.options.get("elementwise_affine")
    return prod(sizes(call.inputs[0])) * NORM * (2 if learned else 1)


def _softmax(call: LayerCall, layer: Layer) -> int:
    x = sizes(call.inputs[0])
    features = x[int(layer.options["dim"])]
    return prod(x) // features * (3 * features - 1)


def _adaptive(call: LayerCall, layer: Layer) -> int:
    window = 1.0
    for size, out in zip(sizes(call.inputs[0])[2:], sizes(call.output)[2:], strict=True):
        window *= size / out
    return int((window + 1) * prod(sizes(call.output)))


def _upsample(call: LayerCall, layer: Layer) -> int:
    return INTERPOLATED.get(layer.options["mode"], 0) * prod(sizes(call.output))


def _linear(call: LayerCall, layer: Layer) -> int:
    return int(layer.options["in_features"]) * prod(sizes(call.output))


def _cell(layer: Layer, features: int) -> int:
    """One step for one example, with what thop counts of its gates."""
    hidden = int(layer.options["hidden_size"])
    gate = (features + hidden) * hidden + hidden + (2 * hidden if layer.options["bias"] else 0)
    return {"RNN": gate, "GRU": 3 * gate + 4 * hidden, "LSTM": 4 * gate + 4 * hidden}[layer.name.removesuffix("Cell")]


def _one_step(call: LayerCall, layer: Layer) -> int:
    return _cell(layer, int(layer.options["input_size"])) * sizes(call.inputs[0])[0]


def _recurrent(call: LayerCall, layer: Layer) -> int:
    ways = 2 if layer.options["bidirectional"] else 1
    wide = int(layer.options["hidden_size"]) * ways
    deeper = (int(layer.options["num_layers"]) - 1) * _cell(layer, wide) * ways
    return (_cell(layer, int(layer.options["input_size"])) * ways + deeper) * prod(sizes(call.inputs[0])[:2])


def _each(*axes: int) -> tuple[str, ...]:
    return tuple(f"{number}d" for number in axes)


ALL = _each(1, 2, 3)
NORMS = (*(f"batchnorm.BatchNorm{d}" for d in ALL), "batchnorm.SyncBatchNorm", "normalization.LayerNorm", *(f"instancenorm.InstanceNorm{d}" for d in ALL))  # fmt: skip
FREE = (
    "padding.ZeroPad2d", "activation.ReLU", "activation.ReLU6", "activation.LeakyReLU", "dropout.Dropout",
    "container.Sequential", "pixelshuffle.PixelShuffle",
    *(f"pooling.{kind}Pool{d}" for kind in ("Max", "AdaptiveMax") for d in ALL),
)  # fmt: skip
RULES: Mapping[str, tuple[LayerRule, str]] = {
    f"{NN}{name}": value
    for name, value in {
        **dict.fromkeys((f"conv.Conv{d}" for d in ALL), (_convolution, "the products; biases left out")),
        **dict.fromkeys((f"conv.ConvTranspose{d}" for d in ALL), (_convolution, "as an ordinary convolution of its output")),
        **dict.fromkeys(NORMS, (_norm, "a norm: four for each element")),
        **dict.fromkeys(FREE, (lambda call, layer: 0, "free")),
        "activation.PReLU": (inputs, "one for each element"),
        "activation.Softmax": (_softmax, "a softmax: three for each element"),
        **dict.fromkeys((f"pooling.AvgPool{d}" for d in ALL), (outputs, "one for each output")),
        **dict.fromkeys((f"pooling.AdaptiveAvgPool{d}" for d in ALL), (_adaptive, "one for each element that goes in, and one for each output")),
        "linear.Linear": (_linear, "the products; biases left out"),
        "upsampling.Upsample": (_upsample, "an interpolation by its mode"),
        "upsampling.UpsamplingBilinear2d": (_upsample, "an interpolation by its mode"),
        "upsampling.UpsamplingNearest2d": (_upsample, "an interpolation by its mode"),
        **dict.fromkeys(("rnn.RNNCell", "rnn.GRUCell", "rnn.LSTMCell"), (_one_step, "products, biases and gates")),
        **dict.fromkeys(("rnn.RNN", "rnn.GRU", "rnn.LSTM"), (_recurrent, "products, biases and gates")),
    }.items()
}  # fmt: skip


def _count(log: CallLog) -> Iterator[Counted]:
    """Hooks hang on a layer once for each owner, and its sum is read once for each owner again."""
    layers = log.layers
    hooks = visits(layers)
    read = visits(layers, lambda layer: layer.path == "" or layer.kind not in RULES or layer.kind in CONTAINERS)
    for call in log.layer_calls():
        layer = layers[call.path]
        if layer.kind in RULES:
            rule, reason = RULES[layer.kind]
            yield Counted(call.path, layer.name, rule(call, layer) * hooks[call.path] * read[call.path], reason)
        else:
            yield Counted(call.path, layer.name, 0, "no rule for its class: 0")


THOP = Convention(
    "thop",
    "the first number of profile(model, inputs) of thop 0.1.1: products, norms, averages and gates of the classes it knows",
    tool=Tool("thop 0.1.1.post2209072238", "macs", Instrumentation(evaluates=True), _count),
)
