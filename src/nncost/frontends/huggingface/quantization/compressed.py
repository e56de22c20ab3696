"""The files of compressed-tensors: groups of layers, each packed in a way of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.frontends.huggingface.quantization.scheme import (
    EXPERTS,
    LINEAR,
    NotAppliedError,
    Rule,
    Scheme,
    group,
    number,
    patterns,
)
from nncost.frontends.packing import BYTE, FLOAT, HALF, WORD, Blocks

_PACKED = "pack-quantized"
_MICRO = {"nvfp4-pack-quantized": (16, 2 * FLOAT), "mxfp4-pack-quantized": (32, 0)}
"""Formats of 4-bit floats: numbers that share a scale of one byte, and the bytes of scales of the whole matrix."""
_KINDS = {"Linear": (LINEAR, EXPERTS)}


def compressed_tensors(values: Mapping[str, Any]) -> Scheme:
    """Groups of layers, each packed in a way of its own, integers or floats.

    Raise NotAppliedError for what is not known of a group.
    """
    groups, written = values.get("config_groups"), values.get("format")
    if not isinstance(groups, dict) or values.get("dequantize") or written in (None, "dense"):
        raise NotAppliedError("it has no groups of compressed layers")
    rules = []
    for own in groups.values():
        if isinstance(own, dict) and own.get("weights") is not None:
            targets = patterns(own, "targets")
            kinds = tuple(kind for target in targets for kind in _KINDS.get(target, ()))
            only = tuple(target for target in targets if target not in _KINDS)
            packing = _packing(own, str(own.get("format") or written))
            rules += [Rule(packing, kinds)] if kinds else []
            rules += [Rule(packing, (LINEAR, EXPERTS), only)] if only else []
    return Scheme(tuple(rules), patterns(values, "ignore"), keeps_head=False, is_regular=True)


def _packing(own: Mapping[str, Any], written: str) -> Blocks:
    weights = own["weights"]
    if not isinstance(weights, dict):
        raise NotAppliedError("the weights of a group have no settings")
    bits = number(weights, "num_bits", None, (2, 3, 4, 8))
    if written in _MICRO:
        length, whole = _MICRO[written]
        return Blocks(bits, 1, length, 1, fixed_bytes=whole if own.get("input_activations") else whole // 2)
    rows, columns = _block(weights)
    zeros = bits if weights.get("symmetric") is False else 0
    activations = own.get("input_activations")
    is_static = isinstance(activations, dict) and activations.get("dynamic") in (False, None)
    fixed = HALF if is_static else 0
    if written == _PACKED:
        if WORD % bits:
            raise NotAppliedError(f"codes of {bits} bits do not fill words")
        ordered = 4 if weights.get("actorder") == "group" else 0
        return Blocks(bits, rows, columns, HALF, zeros, WORD, ordered, fixed + 2 * 8)  # and the shape, in int64
    return Blocks(BYTE, rows, columns, HALF, BYTE if zeros else 0, fixed_bytes=fixed)


def _block(weights: Mapping[str, Any]) -> tuple[int, int]:
    """The outputs and inputs that share a scale."""
    strategy = weights.get("strategy") or ("group" if weights.get("group_size") else "tensor")
    if strategy == "tensor":
        return 0, 0
    if strategy == "channel":
        return 1, 0
    if strategy in ("group", "tensor_group"):
        return 1, group(weights, default=None)
    sizes = weights.get("block_structure")
    if strategy == "block" and isinstance(sizes, (list, tuple)) and len(sizes) == 2:
        return group({"": sizes[0]}, ""), group({"": sizes[1]}, "")
    raise NotAppliedError(f"the strategy {str(strategy)[:40]} is not known")
