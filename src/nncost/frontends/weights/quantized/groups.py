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
    """A byte for each weight, and a scale for each row."""
    is_byte = layer.weight.dtype.startswith(("int8", "float8"))
    return layer.weight.shape if is_byte and "._scale" in layer.data else None


def _quanto_packed(layer: Layer) -> Shape | None:
    """Rows of groups, two or four packed into one; there is a scale for each group."""
    packed, scale = layer.weight.shape, layer.shape("._scale")
    if scale is None or len(packed) != _MATRIX or len(scale) != _MATRIX or layer.weight.dtype != "uint8":
        return None
    if scale[1] == 1:
        return (scale[0] * packed[1],)
    bits = layer.settings.bits
    return (layer.weight.elements * _IN_A_BYTE[bits],) if bits in _IN_A_BYTE else None


FAMILIES = (
    Family("HQQ", "W_q", _HQQ, _hqq),
    Family("Quanto", "._data", tuple(f".{name}" for name in _QUANTO), _quanto),
    Family("Quanto", "._data._data", tuple(f".{name}" for name in _QUANTO), _quanto_packed),
)
