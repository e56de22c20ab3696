"""Which layers may be equal blocks: found before the module runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.equal_blocks.equality import BlockKeys
from nncost.records import record


class CalledAgain(NotEqual):
    """A layer that was taken for one block among others is called more than once."""


@dataclass(slots=True)
class Excluded:
    """Layers that earlier runs have found to be no blocks: they do something else, or are called again."""

    unlike: set[nn.Module] = field(default_factory=set)
    called_again: set[nn.Module] = field(default_factory=set)

    def add(self, found: NotEqual) -> None:
        """Exclude a layer."""
        (self.called_again if isinstance(found, CalledAgain) else self.unlike).add(found.layer)


FEWEST = 4
"""Equal blocks that are worth it: the first is analysed, which takes longer, the second runs in full."""


@record
class Candidates:
    """Layers that may be equal blocks, with the key they share, and layers that may be repeated if they are called often."""

    equal: Mapping[nn.Module, int]
    often: Container[nn.Module]


def find_candidates(
    module: nn.Module, excluded: Excluded, is_trained: Callable[[torch.Tensor, str], bool]
) -> Candidates:
    """The outermost layers, with layers inside, to which several others are equal, and the key they share.

    If one of a kind is excluded, all are. A container that is never called, such as ``ModuleList``, is none; and
    there are none while hooks run for every layer.
    """
    if _hooks_for_all():
        return Candidates({}, ())
    keys = BlockKeys(module, is_trained).keys
    often = {layer for layer, key in keys.items() if key is not None and _has_several_parts(layer)} - excluded.unlike
    return Candidates(_equal_layers(module, keys, excluded.unlike | excluded.called_again), often)


def _has_several_parts(layer: nn.Module) -> bool:
    """Whether a call of a layer runs more than an operator or two."""
    return bool(layer._modules) or sum(parameter is not None for parameter in layer._parameters.values()) > 2


def _equal_layers(
    module: nn.Module, keys: Mapping[nn.Module, int | None], excluded: set[nn.Module]
) -> dict[nn.Module, int]:
    counts = Counter(key for layer, key in keys.items() if key is not None and layer._modules and layer is not module)
    refused = {keys[layer] for layer in excluded}
    found: dict[nn.Module, int] = {}
    waiting, seen = [module], set[nn.Module]()
    while waiting:
        layer = waiting.pop()
        if layer in seen:  # a module may contain itself
            continue
        seen.add(layer)
        key = keys.get(layer)
        if (
            key is not None
            and layer is not module
            and counts[key] >= FEWEST
            and key not in refused
            and _is_called(layer)
        ):
            found[layer] = key
        else:
            waiting += [child for child in reversed(layer._modules.values()) if child is not None]
    return found


def _is_called(layer: nn.Module) -> bool:
    """Whether a layer with layers inside has a forward of its own."""
    return bool(layer._modules) and type(layer).forward is not nn.Module.forward


def _hooks_for_all() -> bool:
    hooks = nn.modules.module
    return bool(
        hooks._global_forward_hooks or hooks._global_forward_pre_hooks or hooks._global_backward_hooks
        or hooks._global_backward_pre_hooks
    )  # fmt: skip
