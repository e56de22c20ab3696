"""Where an operator belongs: the layer that runs, or the layer whose gradient is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nncost.ir.graph import Phase

Place = tuple[str, Phase]
_PENDING: Place = ("", "backward")


class Places:
    """The current layer and phase, and for a backward pass which layer made each autograd node.

    A node's sequence number is noted when the forward operator runs that created it; the first to
    come with a number is its owner. The additions autograd makes where a tensor had several
    consumers belong to the layer that produced the tensor: it is known when its gradient is used.
    """

    def __init__(self) -> None:
        self.path = ""
        self.phase: Phase = "forward"
        self.in_backward = False
        self.inside = 0
        self.owner_of_variable: dict[int, str] = {}
        self.pending: dict[int, tuple[torch.Tensor, list[Any]]] = {}
        self._layer_of_node: dict[int, Place] = {}

    def here(self, tensors: Sequence[torch.Tensor]) -> Place:
        """The layer and phase of an operator on these tensors."""
        node = torch._C._current_autograd_node()
        if node is None:
            if self.in_backward and not self.inside:
                return _PENDING
            return self._forward()
        if not self.in_backward:
            return self._forward()  # a model that differentiates inside its forward pass
        if self.inside:
            return self._forward()[0], "backward"  # a layer runs again, for activations that were not kept
        place = self._of(node)
        if self.pending:
            self._settle(tensors, place[0])
        return place

    def looked(self, tensors: Sequence[torch.Tensor]) -> None:
        """A view was taken: autograd may have made a node for it, or be using a gradient."""
        node = torch._C._current_autograd_node()
        if node is None or self.inside or not self.in_backward:
            self._forward()
        elif self.pending:
            self._settle(tensors, self._of(node)[0])

    def _forward(self) -> Place:
        number = torch.autograd._get_sequence_nr() - 1
        if number not in self._layer_of_node:
            self._layer_of_node[number] = (self.path, self.phase)
        return self.path, self.phase

    def _of(self, node: Any) -> Place:
        place = self._layer_of_node.get(node._sequence_nr())
        if place is None:
            return self.owner_of_variable.get(id(getattr(node, "variable", None)), ""), "backward"
        return place[0], "loss" if place[1] == "loss" else "backward"

    def settle(self, record: list[Any], results: Sequence[torch.Tensor]) -> None:
        """Remember an addition of autograd's own until its result is used."""
        if self.in_backward and not self.inside and torch._C._current_autograd_node() is None:
            earlier = [self.pending.pop(id(t))[1] for t in results if id(t) in self.pending]
            for tensor in results:
                self.pending[id(tensor)] = (tensor, [record, *(r for records in earlier for r in records)])

    def settle_at(self, tensor: torch.Tensor, path: str) -> None:
        """A gradient is used by the layer at a path: pending additions that made it are that layer's."""
        self._settle((tensor,), path)

    def _settle(self, tensors: Sequence[torch.Tensor], path: str) -> None:
        for tensor in tensors:
            found = self.pending.pop(id(tensor), None)
            if found is not None:
                for record in found[1]:
                    record[1] = path
