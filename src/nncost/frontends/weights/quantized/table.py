"""All families, in the order they are asked: those with names of their own first."""

from __future__ import annotations

from nncost.frontends.weights.quantized import bitsandbytes, codebooks, columns, groups, scaled, torchao
from nncost.frontends.weights.quantized.family import Family

FAMILIES: tuple[Family, ...] = (
    *columns.FAMILIES, *codebooks.FAMILIES, *groups.FAMILIES, *torchao.FAMILIES, *bitsandbytes.FAMILIES, *scaled.FAMILIES,
)  # fmt: skip
ALONE = frozenset({
    "qzeros", "weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "weight_zero_point", "weight_g_idx",
    "weight_shape", "input_scale", "input_zero_point", "input_global_scale", "output_scale", "absmax", "quant_map", "nested_absmax",
    "nested_quant_map", "bitsandbytes__nf4", "bitsandbytes__fp4", "scb", "weight_format", "k_scale", "v_scale", "q_scale",
    "prob_scale", "g_idx", "scaled_fp8", "comfy_quant",
})  # fmt: skip
"""Last names that only quantizers give, in lower case: what belongs to weights of another file, or to what a layer returns."""
