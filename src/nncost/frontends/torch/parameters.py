"""What a parameter is for, seen from how it was used: weights multiply, biases are added."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nncost.ir.graph import Role

_WEIGHT_USES = {
    ("aten::convolution", "weight"), ("aten::_convolution", "weight"), ("aten::embedding", "weight"),
    ("aten::_embedding_bag", "weight"), ("aten::native_layer_norm", "weight"), ("aten::native_batch_norm", "weight"),
    ("aten::native_group_norm", "weight"), ("aten::_fused_rms_norm", "weight"), ("aten::linear", "weight"),
    ("aten::addcmul", "tensor1"), ("aten::addcmul", "tensor2"),
    ("aten::addmm", "mat2"), ("aten::addmm", "mat1"), ("aten::_prelu_kernel", "weight"),
}  # fmt: skip
_MULTIPLYING = {
    "mm",
    "bmm",
    "mul",
    "mv",
    "dot",
    "baddbmm",
    "matmul",
    "_grouped_mm",
    "grouped_mm_fallback",
    "einsum",
    "_weight_norm_interface",
    "div",
}
_STATE = re.compile(r"state|hidden|initial|token|query|latent|^[hc]_?0|^[hc]x", re.IGNORECASE)
_STATE_ARGUMENTS = {"state", "hx", "cx", "hx_", "cx_", "input"}
_ADDING = {"add", "sub", "rsub"}


def role_of(name: str, shape: tuple[object, ...], uses: Iterable[tuple[str, str]]) -> Role:
    """``weight``, ``bias`` or ``other``: by its uses, and by its name where they do not tell."""
    seen = set(uses)
    leaf = name.rpartition(".")[2]
    if _is_position_table(name) or (_STATE.search(leaf) and any(argument in _STATE_ARGUMENTS for _, argument in seen)):
        return "other"
    if any(argument == "bias" for _, argument in seen) or seen & {("aten::addmm", "self"), ("aten::addcmul", "self")}:
        return "bias"
    operators = {operator.partition("::")[2] for operator, _ in seen}
    if seen & _WEIGHT_USES or any("mkldnn_rnn" in operator for operator in operators):
        return "bias" if leaf.startswith("bias") else "weight"
    if leaf.startswith("bias") or leaf.endswith("bias"):
        return "bias"
    if operators & _MULTIPLYING and not operators & {"exp"}:
        return "weight"
    if leaf.startswith("weight") or leaf.endswith("weight"):
        return "weight"
    if operators & _ADDING or operators:
        return "other"
    return "weight" if len(shape) > 1 else "other"


def _is_position_table(name: str) -> bool:
    return any(
        word in name.lower() for word in ("position_embed", "pos_embed", "wpe.", "embed_positions", "positional")
    )
