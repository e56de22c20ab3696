"""What parameters are for, by how they are used; and those that quantized layers keep packed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.packing import packed_bits
from nncost.frontends.torch.step.provenance import values_of
from nncost.frontends.torch.step.sparsity import is_sparse
from nncost.frontends.torch.step.subclasses import inner_tensors
from nncost.ir.dtypes import BITS_PER_BYTE
from nncost.ir.graph import Role
from nncost.ir.trace import joined

_WEIGHT_USES = {
    ("aten::convolution", "weight"), ("aten::_convolution", "weight"), ("aten::embedding", "weight"),
    ("aten::_embedding_bag", "weight"), ("aten::native_layer_norm", "weight"), ("aten::native_batch_norm", "weight"),
    ("aten::native_group_norm", "weight"), ("aten::_fused_rms_norm", "weight"), ("aten::linear", "weight"),
    ("aten::addcmul", "tensor1"), ("aten::addcmul", "tensor2"),
    ("aten::addmm", "mat2"), ("aten::addmm", "mat1"), ("aten::_prelu_kernel", "weight"),
}  # fmt: skip
_MULTIPLYING = {
    "mm", "bmm", "mul", "mv", "dot", "baddbmm", "matmul", "_grouped_mm", "grouped_mm_fallback", "einsum",
    "_weight_norm_interface", "div",
}  # fmt: skip
_STATE = re.compile(r"state|hidden|initial|token|query|latent|^[hc]_?0|^[hc]x", re.IGNORECASE)
_STATE_ARGUMENTS = {"state", "hx", "cx", "hx_", "cx_", "input"}
_POSITION_TABLES = ("position_embed", "pos_embed", "wpe.", "embed_positions", "positional")


def role_of(name: str, shape: tuple[object, ...], uses: Iterable[tuple[str, str]]) -> Role:
    """``weight``, ``bias`` or ``other``: by its uses, and by its name where they do not tell."""
    seen = set(uses)
    leaf = name.rpartition(".")[2]
    if any(word in name.lower() for word in _POSITION_TABLES) or (
        _STATE.search(leaf) and any(argument in _STATE_ARGUMENTS for _, argument in seen)
    ):
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
    if operators:
        return "other"
    return "weight" if len(shape) > 1 else "other"


def packed_parameters(names: Mapping[nn.Module, str]) -> Iterator[tuple[str, torch.Tensor, Role]]:
    """The name, value and role of every weight and bias out of sight of ``named_parameters``, as ``("encoder.fc.weight", tensor, "weight")``."""
    for layer, name in names.items():
        for leaf, value, role in _of_layer(layer):
            yield joined(name, leaf), value, role


def _of_layer(layer: Any) -> Iterator[tuple[str, torch.Tensor, Role]]:
    if not type(layer).__module__.startswith("torch.ao.nn"):
        return
    if callable(getattr(layer, "get_weight", None)) and callable(getattr(layer, "get_bias", None)):
        for leaf, value in _opened(layer.get_weight()):
            yield leaf, value, "weight"
        for leaf, value in _opened(layer.get_bias()):
            yield leaf, value, "bias"
    elif callable(getattr(layer, "_weight_bias", None)) and callable(getattr(layer, "weight", None)):
        weight, bias = layer._weight_bias()
        yield "weight", weight, "weight"
        if bias is not None:
            yield "bias", bias, "bias"


def _opened(values: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """A table of tensors, or of the tables of the cells of a layer."""
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            yield name, value


def stored_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape of the values a tensor holds: of a sparse one those that are stored."""
    if not is_sparse(tensor):
        return tuple(tensor.shape)
    values = values_of(tensor)
    return tuple(values.shape)


def packed_bytes(tensor: torch.Tensor) -> int | None:
    """The bytes that a packed tensor takes, or those a wrapper or a sparse one is made of; None for any other tensor."""
    if (bits := packed_bits(tensor)) is not None:
        return int(bits * tensor.numel() / BITS_PER_BYTE)
    parts = [part for inner in inner_tensors(tensor) for part in _parts(inner)]
    if parts[0] is tensor:
        return None
    taken: int = sum(part.numel() * part.element_size() for part in {id(part): part for part in parts}.values())
    return taken


def _parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    if not is_sparse(tensor):
        return [tensor]
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
