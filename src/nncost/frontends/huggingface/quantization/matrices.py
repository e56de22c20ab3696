"""The matrices of a network that a quantization may pack, each with its layer, kind and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nncost.frontends.huggingface.experts import is_group
from nncost.frontends.huggingface.quantization.scheme import EXPERTS, LINEAR, TURNED
from nncost.frontends.packing import Packing
from nncost.records import record


@record
class Matrices:
    """A parameter of ``count`` matrices of the same sizes; ``parts``: of how many each is put together."""

    layer: str
    kind: str
    parameter: Any
    count: int
    outputs: int
    inputs: int
    parts: int = 1

    def bytes_in(self, packing: Packing) -> int:
        """The bytes of all of them, packed."""
        return self.count * packing.bytes_of(self.outputs, self.inputs, self.parts)


def matrices_of(module: Any) -> Iterator[Matrices]:
    """Those of linear layers, and those that groups of experts hold in one tensor; no table of an embedding is one."""
    import torch

    tables = {id(part.weight) for part in module.modules() if isinstance(part, torch.nn.Embedding)}
    for found in _all_of(module):
        if id(found.parameter) not in tables:
            yield found


def _all_of(module: Any) -> Iterator[Matrices]:
    import torch
    from transformers.pytorch_utils import Conv1D

    group = ""
    for name, part in module.named_modules():
        if type(part) is torch.nn.Linear:
            yield Matrices(name, LINEAR, part.weight, 1, *part.weight.shape)
        elif type(part) is Conv1D:
            inputs, outputs = part.weight.shape
            yield Matrices(name, TURNED, part.weight, 1, outputs, inputs)
        elif is_group(part, name.rpartition(".")[2]):
            group = f"{name}."
            yield from _of_experts(part, name)
        elif group and name.startswith(group):  # what is inside a group follows it
            yield from _of_experts(part, name)


def _of_experts(part: Any, name: str) -> Iterator[Matrices]:
    """The tensors of a group, ``(experts, outputs, inputs)`` unless its class says that they are turned."""
    is_turned = bool(getattr(part, "is_transposed", False))
    for leaf, parameter in part.named_parameters(recurse=False):
        if parameter.dim() < 2 or leaf.endswith("bias"):
            continue
        *_, outputs, inputs = parameter.shape
        if is_turned:
            outputs, inputs = inputs, outputs
        count = parameter.numel() // (outputs * inputs)
        yield Matrices(name, EXPERTS, parameter, count, outputs, inputs, 2 if leaf.startswith("gate_up") else 1)


def layers_left(module: Any) -> tuple[str, ...]:
    """What transformers leaves by itself: tied layers, the head and the last layer (``get_keys_to_not_convert``)."""
    tied = getattr(module, "all_tied_weights_keys", None) or {}
    last = [name for name, _ in module.named_parameters()][-1:]
    head = module.get_output_embeddings()
    heads = [name for name, part in module.named_modules() if part is head and head is not None]
    return tuple(dict.fromkeys(name.removesuffix(".weight") for name in (*tied, *tied.values(), *last, *heads)))


def layers_in_float32(module: Any) -> tuple[str, ...]:
    """What a class wants to have in full precision, and quantizers leave for that."""
    return tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
