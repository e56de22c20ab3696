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

FLAT = "_nncost_flat"
"""The attribute of a parameter of FSDP1 that is the tensor an optimizer holds for it."""


def _class(module: str, name: str) -> Any:
    """A class of PyTorch's, or an empty tuple if its module has not been imported: nothing can be of it then."""
    return getattr(sys.modules.get(module), name, ())


def forward_inside(layer: nn.Module) -> Callable[..., Any] | None:
    """What runs in place of a wrapper's forward; None for a layer that wraps none."""
    inside: Any = (
        layer.module if is_flat_layer(layer) or isinstance(layer, nn.parallel.DistributedDataParallel) else None
    )
    return inside  # type: ignore[no-any-return]


def is_flat_layer(layer: nn.Module) -> bool:
    """Whether a layer is FSDP1's wrapper, which keeps the parameters inside in one flat tensor."""
    return isinstance(layer, _class("torch.distributed.fsdp.fully_sharded_data_parallel", "FullyShardedDataParallel"))


class WholeParameters:
    """The parameters that FSDP1's wrappers keep in flat tensors, each with its own shape, on the meta device."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        self._of_layer: dict[nn.Module, dict[str, nn.Parameter]] = {}
        self._flat: set[int] = set()
        for layer in layers:
            handle: Any = getattr(layer, "_handle", None) if is_flat_layer(layer) else None
            if handle is not None:
                self._add(handle.flat_param)

    def _add(self, flat: Any) -> None:
        self._flat.add(id(flat))
        held = flat._params or [flat] * len(
            flat._shapes
        )  # with use_orig_params, optimizers see parameters of their own
        for place, shape, seen in zip(flat._param_infos, flat._shapes, held, strict=True):
            made = nn.Parameter(torch.empty(shape, dtype=flat.dtype, device="meta"), requires_grad=flat.requires_grad)
            setattr(made, FLAT, seen)
            self._of_layer.setdefault(place.module, {})[place.param_name] = made
        for place in flat._shared_param_infos:
            shared = self._of_layer[place.prim_module][place.prim_param_name]
            self._of_layer.setdefault(place.module, {})[place.param_name] = shared

    def of(self, layer: nn.Module) -> dict[str, nn.Parameter | None]:
        """A layer's parameters as they are without wrappers."""
        held = {name: p for name, p in layer._parameters.items() if id(p) not in self._flat}
        return {**held, **self._of_layer.get(layer, {})}

    def put(self, layer: nn.Module) -> None:
        """Put a layer's parameters in their places; whoever keeps its attributes puts back what was there."""
        inside = self._of_layer.get(layer, {})
        if not inside and self._flat.isdisjoint(map(id, layer._parameters.values())):
            return
        whole = self.of(layer)
        for name in inside:
            vars(layer).pop(name, None)
        layer._parameters.clear()
        layer._parameters.update(whole)


def held_as(parameter: torch.Tensor) -> torch.Tensor:
    """The tensor that an optimizer holds for a parameter: of FSDP1's another one."""
    found: torch.Tensor = getattr(parameter, FLAT, parameter)
    return found


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
    if flat := [layer for layer in found if is_flat_layer(layer)]:
        ranks = flat[0].world_size
        notes.append(
            f"FullyShardedDataParallel on {ranks} ranks: forward and backward are those of one rank on whole parameters, parameters and update those of all ranks together; gathering parameters and scattering gradients is not counted."
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
