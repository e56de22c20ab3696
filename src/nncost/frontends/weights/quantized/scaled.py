"""Numbers of 8 or 4 bits with scales: FP8, int8, NVFP4, MXFP4, and what packs several of them into a byte."""

from __future__ import annotations

from nncost.frontends.weights.quantized.family import Family, Layer, Shape, widened

_SCALES = (
    "_scale",
    "_scale_inv",
    "_scale_2",
    "_global_scale",
    "_zero_point",
    "_weight_scale",
    "_weight_scale_2",
    "_input_scale",
)
_BESIDE = (
    "scale", "input_scale", "input_scale_ub", "input_zero_point", "input_global_scale", "output_scale", "activation_scale",
    "scale_weight", "scale_input", "qscale_weight", "qscale_act", "pre_quant_scale", "comfy_quant",
)  # fmt: skip
_MATRIX = 2
_TERNARY_IN_A_BYTE = 4


def _scale(layer: Layer) -> Shape | None:
    """The shape of the weights' own scales."""
    names = ("_scale", "_weight_scale", "_scale_inv", "scale_weight", "qscale_weight", "scale")
    return next((layer.data[name].shape for name in names if name in layer.data), None)


def _is_scaled(layer: Layer, dtype: str) -> bool:
    return layer.weight.dtype.startswith(dtype) and _scale(layer) is not None


def _float8(layer: Layer) -> Shape | None:
    return layer.weight.shape if _is_scaled(layer, "float8") else None


def _float4(layer: Layer) -> Shape | None:
    """A file whose type has four bits: it counts them one by one."""
    return layer.weight.shape if _is_scaled(layer, "float4") else None


def _int8(layer: Layer) -> Shape | None:
    return layer.weight.shape if _is_scaled(layer, "int8") else None


def _nvfp4(layer: Layer) -> Shape | None:
    """Two weights in a byte, a scale of eight bits for each 16 of them."""
    return _pairs(layer, "float8")


def _mxfp4(layer: Layer) -> Shape | None:
    """Two weights in a byte, an exponent for each 32 of them."""
    return _pairs(layer, "uint8") or _pairs(layer, "float8_e8m0")


def _pairs(layer: Layer, scales: str) -> Shape | None:
    name = next((name for name in ("_scale", "_weight_scale") if name in layer.data), None)
    shape = layer.weight.shape
    if name is None or layer.weight.dtype != "uint8" or len(shape) < _MATRIX:
        return None
    return widened(shape, -1, 2) if layer.data[name].dtype.startswith(scales) else None


def _awq_of_modelopt(layer: Layer) -> Shape | None:
    """Two rows in a row of bytes; the scales have all rows."""
    shape, scale = layer.weight.shape, _scale(layer)
    if layer.weight.dtype != "uint8" or scale is None or len(shape) < _MATRIX or len(scale) != len(shape):
        return None
    return widened(shape, -2, 2) if scale[-2] == 2 * shape[-2] else None


def _ternary(layer: Layer) -> Shape | None:
    """BitNet: four rows of −1, 0 and 1 in a row of bytes, and one scale."""
    shape, scale = layer.weight.shape, layer.data.get("_scale")
    if layer.weight.dtype != "uint8" or len(shape) != _MATRIX or scale is None or scale.elements != 1:
        return None
    return widened(shape, 0, _TERNARY_IN_A_BYTE)


def _blocks(layer: Layer) -> Shape | None:
    """MXFP4 of gpt-oss: blocks of 16 bytes hold 32 weights, a byte of scale for each."""
    shape, scales = layer.weight.shape, layer.shape("_scales")
    if layer.weight.dtype != "uint8" or scales != shape[:-1] or len(shape) < _MATRIX:
        return None
    return (*shape[:-2], shape[-2] * shape[-1] * 2)


FAMILIES = (
    Family("MXFP4", "_blocks", ("_scales",), _blocks),
    Family("MXFP4", "", _SCALES, _mxfp4, _BESIDE),
    Family("NVFP4", "", _SCALES, _nvfp4, _BESIDE),
    Family("FP8", "", _SCALES, _float8, _BESIDE),
    Family("FP4", "", _SCALES, _float4, _BESIDE),
    Family("int8", "", _SCALES, _int8, _BESIDE),
    Family("int4 AWQ", "", _SCALES, _awq_of_modelopt, _BESIDE),
    Family("BitNet", "", _SCALES, _ternary, _BESIDE),
)
