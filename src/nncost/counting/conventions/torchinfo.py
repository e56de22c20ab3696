"""torchinfo: the total mult-adds of ``summary(model, input_data=…)``, parameters times output places.

Only layers without layers inside are looked at, and only parameters whose names hold ``weight`` or
``bias``. An embedding counts as if its whole table were multiplied; attention's products have no parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from nncost.counting.conventions.convention import CannotCount, Convention, Counted, Tool
from nncost.counting.conventions.layers import is_leaf
from nncost.ir.call_log import CallLog, Instrumentation, Layer, LayerCall, Plain, TensorMeta


def _size(output: Plain) -> tuple[int, ...]:
    """The sizes of a layer's output: the first of several, the last by name."""
    if isinstance(output, TensorMeta):
        return output.shape
    if isinstance(output, Mapping) and output:
        return _size(list(output.values())[-1])
    if isinstance(output, tuple) and output:
        return _size(output[0])
    return ()


def _macs(layer: Layer, call: LayerCall) -> tuple[int, str]:
    size = _size(call.output)
    total, reason = 0, "no parameters: 0"
    for name, parameter in layer.parameters.items():
        if not size and ("weight" in name or "bias" in name):
            raise CannotCount(f"{layer.path} without an output of some size")
        if name not in ("weight", "bias"):
            if "weight" in name or "bias" in name:
                total, reason = total + parameter.elements * prod(size[:2]), "parameters × batch × steps"
        elif "Conv" in layer.name:
            total, reason = total + parameter.elements * prod((*size[:1], *size[2:])), "parameters × output places"
        else:
            total, reason = total + parameter.elements * size[0], "parameters × the first size of the output"
    return total, reason


def _count(log: CallLog) -> Iterator[Counted]:
    for call in log.layer_calls():
        layer = log.layers[call.path]
        if is_leaf(layer, log.layers):
            amount, reason = _macs(layer, call)
            yield Counted(call.path, layer.name, amount, reason)
        else:
            yield Counted(call.path, layer.name, 0, "what it does besides its layers is not seen: 0")


TORCHINFO = Convention(
    "torchinfo",
    "the total mult-adds of torchinfo 1.8.0: parameters times output places, biases and norms included",
    tool=Tool("torchinfo 1.8.0", "macs", Instrumentation(evaluates=True), _count),
)
