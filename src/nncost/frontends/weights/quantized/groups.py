"""HQQ and Quanto: groups of weights in rows, with a scale and a zero point or shift for each group."""

from __future__ import annotations

from math import prod

from nncost.frontends.weights.quantized.family import Family, Layer, Shape

_HQQ = (
    "scale", "zero", "nbits", "group_size", "shape", "axis", "packing", "view_as_float", "unpack_view_dtype", "compute_dtype",
    "quant_zero", "quant_scale", "stores_quant_config", "channel_wise", "optimize", "round_zero", "offload_meta",
    "encoded_state_dict", "scale_q", "zero_q", "meta.scale", "meta.zero",
)  # fmt: skip
_QUANTO = ("_scale", "_shift", "_zeropoint")
_MATRIX = 2
_IN_A_BYTE = {1: 8, 2: 4, 4: 2, 8: 1}


def _hqq(layer: Layer) -> Shape | None:
    """Rows of a group's size, several packed into one; there is a scale for each group."""
    packed, scale = layer.weight.shape, layer.shape("scale") or layer.shape("meta.scale")
    stated = layer.sizes("shape")
    if stated is not None:
        return stated
    if scale is None or len(packed) != _MATRIX or len(scale) != _MATRIX:
        return None
    if scale[1] == 1:
        return (scale[0] * packed[1],)
    bits = layer.settings.bits
    if scale[0] != 1 or bits not in _IN_A_BYTE or layer.weight.dtype != "uint8":
        return None
    return (prod(packed) * _IN_A_BYTE[bits],)


def _quanto(layer: Layer) -> Shape | None:
    """Bytes with a scale for each row; with a shift they are packed, and only the configuration says how many."""
    if "._scale" not in layer.data:
        return None
    if "._shift" not in layer.data and "._zeropoint" not in layer.data:
        return layer.weight.shape if layer.weight.dtype.startswith(("int8", "float8")) else None
    bits = layer.settings.bits
    if bits not in _IN_A_BYTE or layer.weight.dtype != "uint8":
        return None
    return (layer.weight.elements * _IN_A_BYTE[bits],)


FAMILIES = (
    Family("HQQ", "W_q", _HQQ, _hqq),
    Family("Quanto", "._data", tuple(f".{name}" for name in _QUANTO), _quanto),
)
