"""Which layer and phase an operator belongs to: the layer that runs, or the layer whose gradient is computed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from nncost.frontends.torch.step.threads import Threads
from nncost.ir.graph import Phase

Place = tuple[str, Phase]
"""A layer's path and a phase."""


class Attribution:
    """The current layer and phase, and for a backward pass which layer made each autograd node.

    A node's sequence number is noted when the forward operator runs that created it; the first layer to
    come with a number is its owner. If a tensor had several consumers, autograd adds their gradients as
    they come: the addition belongs to the layer that produced the last one.

    ``depth`` is how many layers run inside one another, ``block_nodes`` tell for each node that takes the
    place of a whole block the layers whose gradients are added to others, in their order, and ``owners`` are the layers of tensors that no node tells: parameters, optimizer state.
    """

    def __init__(self) -> None:
        self.threads = Threads()
        self.path = ""
        self.phase: Phase = "forward"
        self.in_backward = False
        self.depth = 0
        self.block_nodes: dict[int, Iterator[str]] = {}
        self.owners: dict[int, str] = {}
        self._layer_of_node: dict[int, Place] = {}
        self._before = torch.autograd._get_sequence_nr() - 1

    def enter(self, path: str, phase: Phase) -> None:
        """Another layer and phase from now on."""
        self.path, self.phase, self.in_backward = path, phase, phase == "backward"

    def place_of(self, tensors: Sequence[torch.Tensor]) -> Place:
        """The layer and phase of an operator on these tensors."""
        if self.phase == "update":
            for tensor in tensors:
                self.path = self.owners.get(id(tensor), self.path)
        node = torch._C._current_autograd_node() if self.in_backward else None
        if node is None:
            return self._forward()  # also a model that differentiates inside its forward pass
        if self.depth:
            return self._forward()[0], "backward"  # a layer runs again, for activations that were not kept
        number = node._sequence_nr()
        if number in self.block_nodes:
            return next(self.block_nodes[number], ""), "backward"
        place = self._layer_of_node.get(number)
        if place is None:
            return self.owners.get(id(getattr(node, "variable", None)), "") if self.owners else "", "backward"
        return place[0], "loss" if place[1] == "loss" else "backward"

    def note_view(self, results: Iterable[torch.Tensor]) -> None:
        """A view was taken: autograd may have made a node for it, or be handing on a gradient."""
        node = torch._C._current_autograd_node() if self.in_backward and not self.depth else None
        if node is None:
            self._forward()
        elif node._sequence_nr() in self._layer_of_node:
            self.note_gradient(results, self._layer_of_node[node._sequence_nr()][0])

    def note_written_views(self, values: Iterable[Any]) -> None:
        """Autograd makes the node of a view that was written to when it is next used: that is here, not in a layer."""
        for value in values:
            if (
                isinstance(value, torch.Tensor)
                and value.requires_grad
                and value._is_view()
                and value.grad_fn is not None
            ):
                self.note_view(())

    def note_gradient(self, results: Iterable[torch.Tensor], path: str) -> None:
        """Tensors that a layer produces in a backward pass."""
        for tensor in results:
            tensor._nncost_producer = path

    def note_node(self, number: int, path: str) -> None:
        """The node of that number stands for one of a layer's."""
        self._layer_of_node[number] = (path, self.phase)

    def layer_of(self, number: int | None) -> str:
        """The layer that made the autograd node of that number."""
        return "" if number is None else self._layer_of_node.get(number, ("", "forward"))[0]

    def nodes(self) -> dict[str, int]:
        """The number of autograd nodes that each layer made."""
        return dict(Counter(path for path, _ in self._layer_of_node.values()))

    def _forward(self) -> Place:
        place, number = (self.path, self.phase), torch.autograd._get_sequence_nr() - 1
        if self.threads.started and threading.get_ident() != self.threads.owner:
            return place  # each thread numbers nodes anew
        while number > self._before and number not in self._layer_of_node:  # an in-place operator makes two: it copies
            self._layer_of_node[number] = place
            number -= 1
        return place


def producer(tensor: torch.Tensor) -> str:
    """The layer that produced a gradient."""
    return getattr(tensor, "_nncost_producer", "")
