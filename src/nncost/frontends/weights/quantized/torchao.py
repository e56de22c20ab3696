"""torchao in safetensors files: the parts of each tensor of its classes under names of their own."""

from __future__ import annotations

from nncost.frontends.weights.quantized.family import Family, Layer, Shape, widened

_PARTS = (
    "_scale", "_zero_point", "_scale_and_zero", "_per_tensor_scale", "_act_per_tensor_scale", "_act_pre_scale",
    "_act_quant_scale", "_act_quant_zero_point",
)  # fmt: skip
_PAIR_OF_AXES = 2


def _parts(layer: Layer) -> Shape | None:
    """A byte for each weight, or two weights in one: scales of groups tell, as they have a number for each row or column."""
    shape, scale = layer.weight.shape, layer.data.get("_scale")
    if layer.weight.dtype.startswith(("float8", "float4")):
        return shape
    if scale is None:
        return (2 * layer.weight.bytes,) if layer.weight.dtype == "int32" and "_scale_and_zero" in layer.data else None
    if layer.weight.dtype == "uint8" and len(shape) >= _PAIR_OF_AXES:
        return widened(shape, -1, 2)
    rows = scale.shape[: len(shape) - 1]
    return shape if layer.weight.dtype == "int8" and rows == shape[:-1] else _of_groups(layer, scale.shape)


def _of_groups(layer: Layer, scale: Shape) -> Shape | None:
    """Four bits: the scales are groups × out, the packed numbers out × in/2."""
    shape = layer.weight.shape
    is_packed = layer.weight.dtype == "int8" and len(shape) == len(scale) == _PAIR_OF_AXES and scale[1] == shape[0]
    return widened(shape, -1, 2) if is_packed else None


FAMILIES = (Family("torchao", "_qdata", _PARTS, _parts),)
