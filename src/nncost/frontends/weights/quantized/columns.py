"""Weights of 2 to 8 bits side by side in integers of 32: GPTQ, AWQ, Marlin, compressed-tensors, MLX."""

from __future__ import annotations

from nncost.frontends.weights.quantized.family import BITS, Family, Layer, Shape, widened

_WORD = 32
_MATRIX = 2
_AWQ_BITS = 4
_GROUPS = (64, 32, 128)
"""Group sizes of MLX, its default first."""
_MX_GROUPS = {32 * 4: 4, 16 * 4: 4, 32 * 8: 8}
"""Bits by group size times bits, of the types mxfp4, nvfp4 and mxfp8 in MLX: their scales are bytes."""


def _gptq(layer: Layer) -> Shape | None:
    """Words down the inputs: ``qweight`` has in·bits/32 × out, ``qzeros`` groups × out·bits/32."""
    shape, scales, zeros = layer.weight.shape, layer.shape("scales"), layer.shape("qzeros")
    if layer.weight.dtype != "int32" or scales is None or len(shape) < _MATRIX or scales[-1:] != shape[-1:]:
        return None
    order = layer.shape("g_idx")
    if zeros and zeros[-1] * _WORD % scales[-1] == 0 and len(zeros) == len(scales):
        bits = zeros[-1] * _WORD // scales[-1]
    elif order and shape[-2] * _WORD % order[-1] == 0:
        bits = shape[-2] * _WORD // order[-1]
    else:
        bits = layer.settings.bits or 0
    if not 1 < bits <= BITS or shape[-2] * _WORD % bits:
        return None
    return (*shape[:-2], shape[-1], shape[-2] * _WORD // bits)


def _awq(layer: Layer) -> Shape | None:
    """Words along the outputs: ``qweight`` has in × out·bits/32, ``scales`` groups × out; turned for products with vectors."""
    shape, scales = layer.weight.shape, layer.shape("scales")
    if layer.weight.dtype != "int32" or not scales or len(shape) < _MATRIX:
        return None
    if shape[-1] >= scales[-1]:
        zeros = layer.shape("qzeros")
        is_turned = zeros is not None and shape[:-1] == scales[:-1] == zeros[:-1]
        return widened(shape, -1, _WORD // _AWQ_BITS) if is_turned else None
    return (*shape[:-2], scales[-1], shape[-2]) if shape[-1] * _WORD % scales[-1] == 0 else None


def _marlin(layer: Layer) -> Shape | None:
    """Tiles of 16 inputs: ``B`` has in/16 × 16·out·bits/32, ``s`` groups × out."""
    shape, scales = layer.weight.shape, layer.shape("s")
    if layer.weight.dtype != "int32" or not scales or len(shape) != _MATRIX or not scales[-1]:
        return None
    return (scales[-1], 16 * shape[0]) if (2 * shape[1]) % scales[-1] == 0 else None


def _bytes_with_scales(layer: Layer) -> Shape | None:
    """EETQ: one byte for each weight."""
    return layer.weight.shape if layer.weight.dtype == "int8" and len(layer.weight.shape) == _MATRIX else None


def _packed(layer: Layer) -> Shape | None:
    """compressed-tensors: the file says the shape, or the configuration the bits."""
    stated = layer.sizes("_shape")
    if layer.weight.dtype == "uint8":
        return widened(layer.weight.shape, -1, 2) if layer.weight.shape else None
    if stated is not None:
        return stated
    bits = layer.settings.bits
    whole = layer.weight.dtype == "int32" and layer.weight.shape and bits and _WORD % bits == 0
    return widened(layer.weight.shape, -1, _WORD // bits) if whole and bits else None


def _mlx_bits(layer: Layer) -> int | None:
    """Bits of one weight: a group's words tell its size times its bits, the configuration or the default its size."""
    shape, scales = layer.weight.shape, layer.shape("scales")
    if layer.weight.dtype != "uint32" or not scales or not shape or scales[:-1] != shape[:-1] or not scales[-1]:
        return None
    together, rest = divmod(shape[-1] * _WORD, scales[-1])
    if rest:
        return None
    if layer.data["scales"].dtype == "uint8":
        return layer.settings.bits or _MX_GROUPS.get(together)
    if layer.settings.bits is not None and together % layer.settings.bits == 0:
        return layer.settings.bits
    sizes = (layer.settings.group,) if layer.settings.group else _GROUPS
    return next((together // size for size in sizes if together % size == 0 and 1 < together // size <= BITS), None)


def _mlx(layer: Layer) -> Shape | None:
    bits, shape = _mlx_bits(layer), layer.weight.shape
    if not bits or shape[-1] * _WORD % bits:
        return None
    return (*shape[:-1], shape[-1] * _WORD // bits)


def _mlx_assumed(layer: Layer) -> str:
    if layer.settings.bits or layer.settings.group or layer.data["scales"].dtype == "uint8":
        return ""
    return (
        f"MLX: {_mlx_bits(layer)} bits a weight, if its groups are of {_GROUPS[0]} as they are by default; the config.json that "
        "belongs to the file says so for sure: put it beside the file."
    )


FAMILIES = (
    Family("GPTQ", "qweight", ("scales", "qzeros", "g_idx", "perm", "workspace"), _gptq),
    Family("AWQ", "qweight", ("scales", "qzeros"), _awq),
    Family("Marlin", "B", ("s", "workspace", "meta"), _marlin),
    Family("EETQ", "qweight", ("weight_scales",), _bytes_with_scales),
    Family(
        "compressed-tensors", "_packed",
        ("_scale", "_shape", "_zero_point", "_g_idx", "_global_scale"), _packed,
        ("input_scale", "input_zero_point", "input_global_scale", "output_scale"),
    ),
    Family("MLX", "weight", ("scales", "biases"), _mlx, assumed=_mlx_assumed),
)  # fmt: skip
