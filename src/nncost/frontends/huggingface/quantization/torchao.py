"""The settings of torchao, which a configuration holds by the name of their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.frontends.huggingface.quantization.scheme import NotAppliedError, Rule, Scheme, group, patterns
from nncost.frontends.packing import FLOAT, HALF, Blocks, Packing

_INT8 = Blocks(8, scale_bytes=FLOAT + 1)
"""Of each output a scale in float32 and a zero point of 8 bits."""
_FLOAT8 = Blocks(8, scale_bytes=FLOAT)
_PLAIN: Mapping[str, Packing] = {
    "Int8WeightOnlyConfig": _INT8,
    "Int8DynamicActivationInt8WeightConfig": _INT8,
    "Float8WeightOnlyConfig": _FLOAT8,
}
_OLD = {"int8_weight_only": _INT8, "int8_dynamic_activation_int8_weight": _INT8, "float8_weight_only": _FLOAT8}


def torchao(values: Mapping[str, Any]) -> Scheme:
    """int8 or float8 by outputs, int4 by groups; of linear layers only.

    Raise NotAppliedError for settings that are not known.
    """
    if values.get("include_input_output_embeddings"):
        raise NotAppliedError("it packs embeddings too")
    keep = patterns(values, "modules_to_not_convert")
    return Scheme((Rule(_packing(values)),), keep, keeps_head=values.get("modules_to_not_convert") is None)


def _packing(values: Mapping[str, Any]) -> Packing:
    named = values.get("quant_type")
    if isinstance(named, str):  # as it was written before version 0.10
        settings = values.get("quant_type_kwargs")
        kind, found = named, settings if isinstance(settings, dict) else values
        known: Mapping[str, Packing] = _OLD
    else:
        own = named.get("default") if isinstance(named, dict) else None
        kind = str(own.get("_type")) if isinstance(own, dict) else "none"
        data = own.get("_data") if isinstance(own, dict) else None
        found, known = data if isinstance(data, dict) else {}, _PLAIN
    if kind in ("Int4WeightOnlyConfig", "int4_weight_only"):
        return Blocks(4, 1, group(found), 2 * HALF)  # of each group a scale and a zero point in bfloat16
    if kind not in known:
        raise NotAppliedError(f"its settings {kind[:60]} are not known")
    return known[kind]
