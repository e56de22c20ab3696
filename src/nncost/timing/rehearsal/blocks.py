"""Equal blocks of a recorded step: layers in one container that run the same operators on tensors of the same layouts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import torch
from torch import nn

from nncost.frontends.torch.allocation.recorder import Flow, Recording
from nncost.records import record
from nncost.timing.rehearsal.step_memory import StepMemory
from nncost.timing.replay.cache_distance import described

FEWEST = 4
"""Fewer equal blocks are not worth leaving one out."""
_Signature = tuple[tuple[str, str, str], ...]


@record
class Block:
    """One of some equal layers: where it stands in the step's forward pass, what its call takes and returns.

    ``held`` are the bytes of each piece of memory that the call leaves behind for the backward pass, ``kept`` those of
    what it was given and stays as well, ``trained`` the layer's own names of the parameters that receive a gradient, ``has_backward`` whether gradients pass it at all,
    ``writes`` whether it changes what it is given in place.
    """

    path: str
    position: int
    flow: Flow
    held: tuple[int, ...]
    kept: frozenset[int]
    trained: frozenset[str]
    has_backward: bool
    writes: bool


Container = tuple[tuple[Block, ...], ...]
"""The equal blocks of one container: groups, each of blocks that are equal."""


def containers_of(module: nn.Module, recording: Recording) -> list[Container]:
    """Return the containers with equal blocks; what is inside of a block is not looked at again.

    A block runs once per step, one operator after the other, shares no parameter with another layer, returns nothing but
    tensors and plain values, and is neither compiled nor has hooks, which run whether or not it does.
    """
    return list(_containers(module, "", _Step(module, recording)))


class _Step:
    """A recording by layers: the operators inside of each."""

    def __init__(self, module: nn.Module, recording: Recording) -> None:
        self.recording = recording
        self._inside: dict[str, list[int]] = defaultdict(list)
        for position, call in enumerate(recording.operators):
            for path in with_outer(call.path):
                self._inside[path].append(position)
        self._texts = [described(call) for call in recording.operators]
        uses = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
        self._shared = {key for key, times in uses.items() if times > 1}
        self._memory = StepMemory(recording)

    def block(self, path: str, layer: nn.Module) -> Block | None:
        """The layer as a block; None for one that cannot be left out."""
        if self.recording.modules.get(path) != 1 or not self._can_be_told(path) or not _can_be_replaced(layer):
            return None
        if any(id(parameter) in self._shared for parameter in layer.parameters()):
            return None
        phases = {position: self.recording.operators[position].phase for position in self._inside[path]}
        forward = [position for position, phase in phases.items() if phase in ("forward", "loss")]
        if not forward or forward[-1] - forward[0] + 1 != len(forward):
            return None
        trained = frozenset(name for name, _ in layer.named_parameters() if f"{path}.{name}" in self.recording.trained)
        flow, first, last = self.recording.flows[path], forward[0], forward[-1]
        has_backward, memory = "backward" in phases.values(), self._memory
        if has_backward and not flow.takes_gradient:
            return None  # nothing tells when its backward pass is over
        held, kept, writes = memory.held(first, last), memory.kept(first, last), memory.is_written(first, last)
        return Block(path, first, flow, held, kept, trained, has_backward, writes)

    def _can_be_told(self, path: str) -> bool:
        """Whether what the layer returns can be made without it."""
        flow = self.recording.flows.get(path)
        return flow is not None and not any(isinstance(part, type) for part in flow.parts)

    def signature(self, path: str) -> _Signature:
        """Equal for layers that do the same."""
        calls = ((position, self.recording.operators[position]) for position in self._inside[path])
        return tuple((call.phase, call.path[len(path) :], self._texts[position]) for position, call in calls)


def _can_be_replaced(layer: nn.Module) -> bool:
    """Whether the layer's forward can be another, and nothing else runs when it is called."""
    hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    return not any(hooks) and not isinstance(layer, torch.jit.ScriptModule) and not _is_compiled(layer)


def _is_compiled(layer: nn.Module) -> bool:
    return type(layer).__name__ == "OptimizedModule" or getattr(layer, "_compiled_call_impl", None) is not None


def _containers(parent: nn.Module, path: str, step: _Step) -> Iterator[Container]:
    if _is_compiled(parent):
        return
    groups: dict[_Signature, list[Block]] = defaultdict(list)
    children = {f"{path}.{name}" if path else name: child for name, child in parent.named_children()}
    for name, child in children.items():
        block = step.block(name, child)
        if block is not None:
            groups[step.signature(name)].append(block)
    equal = tuple(tuple(group) for group in groups.values() if len(group) >= FEWEST)
    if equal:
        yield equal
    grouped = {block.path for group in equal for block in group}
    for name, child in children.items():
        if name not in grouped:
            yield from _containers(child, name, step)


def with_outer(path: str) -> Iterator[str]:
    """A layer's path, and those of the layers around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]
