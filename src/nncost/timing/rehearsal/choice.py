"""Which of the equal blocks of a network run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.records import record
from nncost.timing.rehearsal.blocks import Block, Container, with_outer


@record
class Choice:
    """The equal blocks of a network, the paths of those that run, and the parameters that a whole step trains."""

    containers: Sequence[Container]
    running: frozenset[str]
    trained: frozenset[str]

    @property
    def groups(self) -> list[tuple[Block, ...]]:
        """The groups of equal blocks of all containers."""
        return [group for container in self.containers for group in container]

    @property
    def blocks(self) -> int:
        """All blocks."""
        return sum(len(group) for group in self.groups)


def chosen(container: Container, share: float, fewest: int = 2) -> frozenset[str] | None:
    """Return the blocks that run: neighbours in the middle, that share of all, and more while a group has too few.

    ``fewest`` of each group run. Neighbours find what their neighbours left in the caches. None where all of them would have to run.
    """
    ordered = sorted((block for group in container for block in group), key=lambda block: block.position)
    for length in range(max(1, int(share * len(ordered))), len(ordered)):
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
        spent for (path, phase), spent in seconds.items() if phase in phases and not paths.isdisjoint(with_outer(path))
    )
