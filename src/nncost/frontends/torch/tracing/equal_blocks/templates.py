"""What an equal block has recorded, to be repeated at the places of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from nncost.dims import Shape
from nncost.frontends.torch.step.fake_tensors import Layout, layout_of
from nncost.frontends.torch.step.leaves import Contribution
from nncost.frontends.torch.step.provenance import Provenance
from nncost.frontends.torch.tracing.equal_blocks.environment import Snapshot
from nncost.frontends.torch.tracing.equal_blocks.shared_sums import SharedSums

Call = tuple[nn.Module, int]
"""A layer, and which of its calls is meant."""


@dataclass(slots=True, eq=False)
class BlockTensor:
    """A tensor of a template: what is needed to make one like it."""

    layout: Layout
    requires_grad: bool
    provenance: Provenance


@dataclass(slots=True, eq=False)
class BackwardTemplate:
    """What a backward pass through a block recorded, for one pattern of incoming gradients.

    ``gradients`` are what it makes; ``contributions`` tell for each contribution to an input which of them it is, or
    which incoming gradient is handed on (counted from -1 down), or None; ``producers`` are the layers they come from.
    """

    calls: list[Any]
    gradients: list[BlockTensor]
    contributions: list[int | None]
    producers: list[str]
    trained: list[str]
    sums: SharedSums = field(default_factory=SharedSums)


@dataclass(slots=True, eq=False)
class Template:
    """A block that ran: its calls with relative paths, its outputs, its graph for the backward pass, what it read.

    ``shared`` are the parameters that all of its kind use, as the calls of one layer do; their contributions come after
    ``own_contributions`` to inputs. ``layer_outputs`` are the shapes of what the layers inside return.
    """

    layer: nn.Module
    path: str
    calls: list[Any]
    uses: list[tuple[str, str, str]]
    outputs: list[Any]
    structure: Any
    contributions: list[list[Contribution]]
    inner_inputs: list[torch.Tensor]
    inner_outputs: list[torch.Tensor]
    parameters: dict[str, torch.Tensor]
    environment: Snapshot
    last_layer: str
    shared: list[torch.Tensor]
    own_contributions: int
    layer_outputs: dict[str, Shape]
    is_confirmed: bool = False
    places: set[str] = field(default_factory=set)
    equal: list[Call] = field(default_factory=list)
    backward: dict[tuple[Any, ...], BackwardTemplate] = field(default_factory=dict)

    def is_like(self, result: Any) -> bool:
        """Whether another block has returned what this one did."""
        found, structure = tree_flatten(result)
        return structure == self.structure and all(
            not isinstance(output, BlockTensor) or (isinstance(leaf, torch.Tensor) and layout_of(leaf) == output.layout)
            for leaf, output in zip(found, self.outputs, strict=True)
        )

    def holds(self) -> bool:
        """Whether what the block reads besides its arguments is as it was."""
        return self.environment.is_same()


@dataclass(slots=True, eq=False)
class BlockRecord:
    """A template's calls at the place of one block."""

    calls: list[Any]
    path: str
