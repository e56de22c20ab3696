"""Equal blocks of a recorded step: layers in one container that run the same operators on tensors of the same layouts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from nncost.frontends.torch.allocation.recorder import Flow, OpRecord, Recording
from nncost.records import record
from nncost.timing.replay.cache_distance import described

FEWEST = 4
"""Fewer equal blocks are not worth leaving one out."""
_Signature = tuple[tuple[str, str, str], ...]


@record
class Block:
    """One of some equal layers: where it stands in the step's forward pass, what its call takes and returns.

    ``held`` are the bytes of each piece of memory that the call leaves behind for the backward pass.
    """

    path: str
    position: int
    flow: Flow
    held: tuple[int, ...]


Container = tuple[tuple[Block, ...], ...]
"""The equal blocks of one container: groups, each of blocks that are equal."""


def containers_of(module: nn.Module, recording: Recording) -> list[Container]:
    """Return the containers with equal blocks; what is inside of a block is not looked at again.

    A block runs once per step, one operator after the other, and shares no parameter with another layer.
    """
    return list(_containers(module, "", _Step(module, recording)))


class _Step:
    """A recording by layers: the operators inside of each, and the memory that is taken and given back."""

    def __init__(self, module: nn.Module, recording: Recording) -> None:
        self.recording = recording
        self._inside: dict[str, list[int]] = defaultdict(list)
        for position, call in enumerate(recording.operators):
            for path in _with_outer(call.path):
                self._inside[path].append(position)
        self._texts = [described(call) for call in recording.operators]
        uses = Counter(id(p) for _, p in module.named_parameters(remove_duplicate=False))
        self._shared = {key for key, times in uses.items() if times > 1}
        self._given_back = {event.storage: event.position for event in recording.memory if event.bytes is None}
        self._taken = sorted(
            (event.position, event.storage, event.bytes) for event in recording.memory if event.bytes is not None
        )

    def block(self, path: str, layer: nn.Module) -> Block | None:
        """The layer as a block; None for one that cannot be left out."""
        flow = self.recording.flows.get(path)
        if self.recording.modules.get(path) != 1 or flow is None:
            return None
        if any(id(parameter) in self._shared for parameter in layer.parameters()):
            return None
        forward = [position for position in self._inside[path] if _is_forward(self.recording.operators[position])]
        if not forward or forward[-1] - forward[0] + 1 != len(forward):
            return None
        if len(forward) < len(self._inside[path]) and not flow.takes_gradient:
            return None  # nothing tells when its backward pass is over
        return Block(path, forward[0], flow, self._held(forward[0], forward[-1]))

    def signature(self, path: str) -> _Signature:
        """Equal for layers that do the same."""
        calls = ((position, self.recording.operators[position]) for position in self._inside[path])
        return tuple((call.phase, call.path[len(path) :], self._texts[position]) for position, call in calls)

    def _held(self, first: int, last: int) -> tuple[int, ...]:
        return tuple(
            size
            for position, storage, size in self._taken
            if first <= position <= last and self._given_back.get(storage, last + 2) > last + 1
        )


def _containers(parent: nn.Module, path: str, step: _Step) -> Iterator[Container]:
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


def _with_outer(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _is_forward(call: OpRecord) -> bool:
    return call.phase in ("forward", "loss")


def chosen(container: Container, share: float, fewest: int = 2) -> frozenset[str] | None:
    """Return the blocks that run: neighbours in the middle, that share of all and ``fewest`` of each group.

    Neighbours find what their neighbours left in the caches. None where all of them would have to run.
    """
    ordered = sorted((block for group in container for block in group), key=lambda block: block.position)
    for length in range(max(1, round(share * len(ordered))), len(ordered)):
        begin = (len(ordered) - length) // 2
        paths = frozenset(block.path for block in ordered[begin : begin + length])
        if all(_count(group, paths) >= fewest for group in container):
            return paths
    return None


def _count(group: Sequence[Block], paths: frozenset[str]) -> int:
    return sum(block.path in paths for block in group)


def seconds_inside(seconds: Mapping[tuple[str, str], float], container: Container, phases: Sequence[str]) -> float:
    """Seconds of everything inside the blocks of a container, by layer and phase, in some phases."""
    paths = {block.path for group in container for block in group}
    return sum(
        spent for (path, phase), spent in seconds.items() if phase in phases and not paths.isdisjoint(_with_outer(path))
    )
