"""Recurrent layers as ptflops, calflops and DeepSpeed count them: weights, gates and biases for each step."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.ir.call_log import Layer, LayerCall, sizes

MODULES = "torch.nn.modules.rnn."
LAYERS = (f"{MODULES}RNN", f"{MODULES}GRU", f"{MODULES}LSTM")
CELLS = (f"{MODULES}RNNCell", f"{MODULES}GRUCell", f"{MODULES}LSTMCell")
_GATES: Mapping[str, int] = {"RNN": 1, "GRU": 7, "LSTM": 10}
"""Sums and products of the gates, in units of the hidden size."""


def layer_flops(call: LayerCall, layer: Layer, *, products: int) -> int:
    """All steps of all layers; ``products`` is 1 for a product and 2 for a product with its sum."""
    batch, steps = sizes(call.inputs[0])[:2]
    once = sum(_step(layer, f"_l{number}", products) for number in range(int(layer.options["num_layers"])))
    return once * batch * steps * (2 if layer.options["bidirectional"] else 1)


def cell_flops(call: LayerCall, layer: Layer, *, products: int) -> int:
    """One step."""
    return _step(layer, "", products) * sizes(call.inputs[0])[0]


def _step(layer: Layer, suffix: str, products: int) -> int:
    flops = 0
    for side in ("ih", "hh"):
        weight = layer.parameters[f"weight_{side}{suffix}"]
        flops += products * weight.elements - (products - 1) * weight.shape[0]
        if layer.options["bias"]:
            flops += layer.parameters[f"bias_{side}{suffix}"].elements
    return flops + _GATES[layer.name.removesuffix("Cell")] * int(layer.options["hidden_size"])
