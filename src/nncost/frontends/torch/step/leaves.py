"""The leaves of an autograd graph: every tensor whose gradient PyTorch computes, wherever it comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import is_fake
from nncost.records import record

Edge = tuple[Any, int]
"""A node of an autograd graph and which of its gradients is meant."""
_START = 1 << 62
"""What comes first where a backward pass starts: no node has this number."""


@record
class AutogradGraph:
    """What a backward pass will run: its ``leaves``, its nodes, and for each edge the number of the node that comes first to it.

    Leaves are parameters, inputs, and what the model has made and asked a gradient of.
    """

    leaves: list[torch.Tensor]
    first: dict[Edge, int]
    nodes: Collection[Any]


def autograd_graph(starts: Sequence[torch.Tensor]) -> AutogradGraph:
    """The graph that some tensors depend on."""
    found = {id(start): start for start in starts if start.grad_fn is None and start.requires_grad}
    waiting: list[Any] = [start.grad_fn for start in starts if start.grad_fn is not None]
    seen = set(waiting)
    first: dict[Edge, int] = {(start.grad_fn, start.output_nr): _START for start in starts if start.grad_fn is not None}
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.Tensor):
            found[id(variable)] = variable
        number = node._sequence_nr()
        for edge in node.next_functions:
            following = edge[0]
            if following is None:
                continue
            first[edge] = max(first.get(edge, -1), number)
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return AutogradGraph(list(found.values()), first, seen)


@record
class Contribution:
    """A gradient that a node computes for a leaf: the node, and which of its results it is."""

    node: Any
    position: int

    @property
    def number(self) -> int:
        """The node's number: later ones run earlier."""
        return int(self.node._sequence_nr())


def contributions_to(leaves: Sequence[torch.Tensor], starts: Sequence[torch.Tensor]) -> list[list[Contribution]]:
    """For each leaf the gradients that autograd adds up for it, in its order: nodes run from the latest to the first."""
    places = {id(leaf): place for place, leaf in enumerate(leaves)}
    found: list[list[Contribution]] = [[] for _ in leaves]
    waiting: list[Any] = [start.grad_fn for start in starts if start.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for position, (following, _) in enumerate(node.next_functions):
            if following is None:
                continue
            place = places.get(id(getattr(following, "variable", None)))
            if place is not None:
                found[place].append(Contribution(node, position))
            elif following not in seen:
                seen.add(following)
                waiting.append(following)
    for contributions in found:
        contributions.sort(key=lambda c: (-c.node._sequence_nr(), c.position))
    return found


def contributors(nodes: Iterable[Any], edges: Collection[Edge]) -> dict[Edge, list[Contribution]]:
    """For each of some edges the nodes that compute a gradient for it."""
    found: dict[Edge, list[Contribution]] = {edge: [] for edge in edges}
    for node in nodes:
        for position, edge in enumerate(node.next_functions):
            if edge in found:
                found[edge].append(Contribution(node, position))
    return found


@contextmanager
def gradients_kept(leaves: Sequence[torch.Tensor]) -> Iterator[None]:
    """Leaves that are no fake tensors, as a parameter in a global variable, have their gradient back at the end."""
    real = [leaf for leaf in leaves if not is_fake(leaf)]
    before = [leaf.grad for leaf in real]
    try:
        for leaf in real:
            leaf.grad = None
        yield
    finally:
        for leaf, gradient in zip(real, before, strict=True):
            leaf.grad = gradient
