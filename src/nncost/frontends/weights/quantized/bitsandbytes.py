"""bitsandbytes: four bits (NF4 and FP4) in a row of bytes, and eight bits with the largest value of each row."""

from __future__ import annotations

from nncost.frontends.weights.quantized.family import Family, Layer, Shape

_STATES = (".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4")


def _four_bits(layer: Layer) -> Shape | None:
    """Two weights in each byte, a last byte perhaps half used; the state says the shape."""
    if ".absmax" not in layer.data or ".quant_map" not in layer.data:
        return None
    for state in _STATES:
        stated = layer.stated(state).get("shape")
        if isinstance(stated, list) and all(isinstance(size, int) and size > 0 for size in stated):
            return tuple(stated)
    return (2 * layer.weight.bytes,)


def _eight_bits(layer: Layer) -> Shape | None:
    return layer.weight.shape if layer.weight.dtype == "int8" and "SCB" in layer.data else None


FAMILIES = (
    Family("bitsandbytes 4-bit", "", (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", *_STATES), _four_bits),
    Family("bitsandbytes int8", "weight", ("SCB", "weight_format"), _eight_bits),
)  # fmt: skip
