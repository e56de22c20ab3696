"""Which layers may be equal blocks: found before the module runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import nn

from nncost.frontends.torch.tracing.block_equality import BlockKeys


def find_candidates(
    module: nn.Module, excluded: set[nn.Module], is_trained: Callable[[torch.Tensor, str], bool]
) -> dict[nn.Module, int]:
    """The outermost layers, with layers inside, to which another one is equal, and the key they share.

    If one of a kind is excluded, all are. A container that is never called, such as ``ModuleList``, is none; and
    there are none while hooks run for every layer.
    """
    if _hooks_for_all():
        return {}
    keys = BlockKeys(module, is_trained).keys
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
        if key is not None and layer is not module and counts[key] > 1 and key not in refused and _is_called(layer):
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
