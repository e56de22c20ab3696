"""Where an operator belongs: the layer that runs, or the layer whose gradient is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nncost.ir.graph import Phase

Place = tuple[str, Phase]


class Attribution:
    """The current layer and phase, and for a backward pass which layer made each autograd node.

    A node's sequence number is noted when the forward operator runs that created it; the first to
    come with a number is its owner. Where a tensor had several consumers, autograd adds their
    gradients as they come: the addition belongs to the layer that gave the last one.
    """

    def __init__(self) -> None:
        self.path = ""
        self.phase: Phase = "forward"
        self.in_backward = False
        self.depth = 0
        self.fakes: set[int] = set()
        self._layer_of_node: dict[int, Place] = {}
        self._before = torch.autograd._get_sequence_nr() - 1

    def place_of(self, tensors: Sequence[torch.Tensor]) -> Place:
        """The layer and phase of an operator on these tensors."""
        node = torch._C._current_autograd_node() if self.in_backward else None
        if node is None:
            return self._forward()  # also a model that differentiates inside its forward pass
        if self.depth:
            return self._forward()[0], "backward"  # a layer runs again, for activations that were not kept
        number = node._sequence_nr()
        if number in self.fakes:
            return producer(tensors[-1]), "backward"
        place = self._layer_of_node.get(number, ("", "backward"))
        return place[0], "loss" if place[1] == "loss" else "backward"

    def note_view(self, results: Iterable[torch.Tensor]) -> None:
        """A view was taken: autograd may have made a node for it, or be handing on a gradient."""
        node = torch._C._current_autograd_node() if self.in_backward and not self.depth else None
        if node is None:
            self._forward()
        elif node._sequence_nr() in self._layer_of_node:
            self.note_gradient(results, self._layer_of_node[node._sequence_nr()][0])

    def note_gradient(self, results: Iterable[torch.Tensor], path: str) -> None:
        """Tensors that a layer gives in a backward pass."""
        for tensor in results:
            tensor._nncost_producer = path

    def _forward(self) -> Place:
        place, number = (self.path, self.phase), torch.autograd._get_sequence_nr() - 1
        while number > self._before and number not in self._layer_of_node:  # an operator in place makes two: it copies
            self._layer_of_node[number] = place
            number -= 1
        return place


def producer(tensor: torch.Tensor) -> str:
    """The layer that gave a gradient."""
    return getattr(tensor, "_nncost_producer", "")
