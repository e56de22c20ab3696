"""Read a graph that is built already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nncost.dims import Dim
from nncost.frontends.front_end import STATED, FrontEnd
from nncost.frontends.model import LoadOptions, Model
from nncost.ir.graph import Graph


class SourceFrontEnd(FrontEnd):
    """Counts a graph as it stands: its batch is the first size of its first input."""

    kind: ClassVar[str] = "graph"
    title: ClassVar[str] = "a graph"
    shaped_by_inputs: ClassVar[bool] = False

    def unused(self) -> Mapping[str, str]:
        """Return also what a graph has already."""
        return {**super().unused(), **STATED}

    def matches(self, source: object) -> bool:
        """Return whether it is a Graph."""
        return isinstance(source, Graph)

    def load(self, source: Graph, options: LoadOptions) -> Model:
        """Return the graph as a model."""
        shapes = {tensor.name or f"input.{i}": tensor.shape for i, tensor in enumerate(source.inputs)}
        batch: Dim = source.inputs[0].shape[0] if source.inputs and source.inputs[0].rank else 1
        return Model(self.kind, "graph", source, batch, shapes, "none", "none")
