"""Modules that PyTorch has wrapped to train on many devices: a step runs what they wrap, and their state stays.

Data-parallel wrappers (DDP, FSDP) compute on each device what the module computes alone, on its share of the batch; what
they add is communication, which is told in a note. Tensor-parallel layers (DTensor) run as they are, on one device's part.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from nncost.errors import SourceError
from nncost.units import bytes_text


def _class(module: str, name: str) -> Any:
    """A class of PyTorch's, or an empty tuple if its module has not been imported: nothing can be of it then."""
    return getattr(sys.modules.get(module), name, ())


def forward_inside(layer: nn.Module) -> Callable[..., Any] | None:
    """What runs in place of a wrapper's forward; None for a layer that wraps none. Raise SourceError for FSDP1."""
    if isinstance(layer, _class("torch.distributed.fsdp.fully_sharded_data_parallel", "FullyShardedDataParallel")):
        raise SourceError(
            "FullyShardedDataParallel keeps its parameters in one flat tensor that only it can take apart.",
            hint="Count the module before it is wrapped, or wrap it with fully_shard.",
        )
    if isinstance(layer, nn.parallel.DistributedDataParallel):
        inside: Callable[..., Any] = layer.module
        return inside
    return None


def is_tensor_parallel(kind: type) -> bool:
    """Whether a class of tensors is PyTorch's DTensor, which is dispatched below Python."""
    return kind is _class("torch.distributed.tensor._api", "DTensor")


def is_sharded_layer(layer: nn.Module) -> bool:
    """Whether ``fully_shard`` has wrapped a layer."""
    return isinstance(layer, _class("torch.distributed.fsdp", "FSDPModule"))


def without_sharding(layer: nn.Module) -> None:
    """Leave out the hooks that ``fully_shard`` has given a layer; whoever keeps its attributes puts them back."""
    if not is_sharded_layer(layer):
        return
    for name in ("_forward_hooks", "_forward_pre_hooks"):
        hooks = vars(layer)[name]
        vars(layer)[name] = OrderedDict((key, hook) for key, hook in hooks.items() if not _is_of_sharding(hook))


def _is_of_sharding(hook: Any) -> bool:
    inner = getattr(hook, "__wrapped__", hook)
    owner = getattr(hook, "__self__", None) or getattr(inner, "__self__", None)
    return "fsdp" in (type(owner).__module__ if owner is not None else getattr(inner, "__module__", ""))


def sharded_parameters(layers: Iterable[nn.Module]) -> set[int]:
    """The identities of the parameters that ``fully_shard`` has cut into parts. Raise SourceError if others have too."""
    found: dict[int, Any] = {
        id(parameter): parameter
        for layer in layers
        if is_sharded_layer(layer)
        for parameter in layer.parameters()
        if is_tensor_parallel(type(parameter))
    }
    if any(sum(not placement.is_replicate() for placement in parameter.placements) > 1 for parameter in found.values()):
        raise SourceError(
            "tensor-parallel layers that fully_shard has wrapped as well cannot be counted.",
            hint="Count the module before fully_shard: it computes the same on each rank.",
        )
    return set(found)


def communication(layers: Iterable[nn.Module]) -> list[str]:
    """What wrappers add to a step, which is not among the counts, in a sentence each."""
    found = list(layers)
    notes: list[str] = []
    if wrapped := [layer for layer in found if isinstance(layer, nn.parallel.DistributedDataParallel)]:
        ranks = torch.distributed.get_world_size(wrapped[0].process_group)
        size = bytes_text(_bytes(p for p in wrapped[0].parameters() if p.requires_grad))
        notes.append(
            f"DistributedDataParallel on {ranks} ranks: the counts are those of one rank; its gradients ({size}) are added to those of the others by an all-reduce, which is not counted."
        )
    if any(map(is_sharded_layer, found)):
        parameters: list[Any] = [p for layer in found for p in layer._parameters.values() if p is not None]
        sharded = [p for p in parameters if is_tensor_parallel(type(p))]
        ranks = sharded[0].device_mesh.size() if sharded else 1
        size = bytes_text(_bytes(sharded))
        notes.append(
            f"fully_shard on {ranks} ranks: forward and backward are those of one rank on whole parameters, parameters and update those of all ranks together; gathering parameters ({size} each time) and scattering gradients is not counted."
        )
    elif parallel := [
        p for layer in found for p in layer._parameters.values() if p is not None and is_tensor_parallel(type(p))
    ]:
        ranks = parallel[0].device_mesh.size()
        notes.append(
            f"Tensor-parallel layers on {ranks} ranks: forward, backward and bytes are those of one rank, the number of parameters and the update those of all together; collectives are counted by the bytes they read and write here."
        )
    return notes


def _bytes(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)
