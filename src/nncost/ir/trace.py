"""A framework's own step as it ran: which kernels, in which layer and phase, in which order.

A kernel is made once per distinct call (same operation, shapes, types and options) and shared
by all calls like it, so that a network of many equal layers costs little more to count than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Union

from nncost.dims import Dim
from nncost.ir.graph import Graph, Phase
from nncost.records import record, replace


@record(eq=False)
class Kernel:
    """One operation in core operations; only the items of phase ``own`` are its work.

    The kernel of a gradient also holds, in phase ``forward``, what the forward pass left behind, so
    that it can be run; that is not counted again.
    """

    graph: Graph
    own: Phase = "forward"


@record
class KernelCall:
    """One kernel that ran for a layer in a phase; ``op`` names its row if the kernel's own name does not.

    Without ``neurons`` its outputs are not neurons: a recurrent layer has H per direction, not one per product.
    """

    kernel: Kernel
    path: str
    phase: Phase
    op: str = ""
    neurons: bool = True


@record(eq=False)
class Block:
    """Calls with paths relative to a layer; one block is shared by all layers that are alike."""

    items: tuple[TraceItem, ...]


@record
class BlockCall:
    """A block that ran for the layer at ``path``."""

    block: Block
    path: str


TraceItem = Union[KernelCall, BlockCall]


@record
class Trace:
    """Everything a step ran, in order; ``meaning`` is what symbols stand for that only the kernels have."""

    items: tuple[TraceItem, ...]
    meaning: Mapping[Dim, Dim] = field(default_factory=dict)

    def calls(self) -> Iterator[KernelCall]:
        """Every call with its full path, blocks opened."""
        return _opened(self.items, "")


def _opened(items: tuple[TraceItem, ...], prefix: str) -> Iterator[KernelCall]:
    for item in items:
        path = joined(prefix, item.path)
        if isinstance(item, KernelCall):
            yield replace(item, path=path)
        else:
            yield from _opened(item.block.items, path)


def joined(prefix: str, path: str) -> str:
    """A path below a prefix."""
    return f"{prefix}.{path}" if prefix and path else prefix or path
