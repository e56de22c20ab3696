"""What every front end takes and gives: load options in, a model with its forward graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nncost.dims import Dim, Shape
from nncost.ir.graph import Graph

BiasChoice = Literal["all", "hidden", "none"]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a source.

    ``batch`` is the number of examples (None: one, or what the file says), ``symbols`` bind names
    to sizes, ``inputs`` override input shapes by name (or under ``""`` for the only one).
    ``named_elsewhere`` are names that the batch or the examples have: a source need not have them.
    ``bias`` and ``activation`` apply to widths such as ``784-16-10``.
    """

    batch: Dim | None = None
    symbols: Mapping[str, int] = field(default_factory=dict)
    named_elsewhere: frozenset[str] = frozenset()
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    training: bool = False
    dtype: str = "float32"
    bias: BiasChoice = "all"
    activation: str = "sigmoid"


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded source: its forward graph, the batch it was built for and what a reader should know."""

    kind: str
    name: str
    graph: Graph
    batch: Dim
    inputs: Mapping[str, Shape]
    default_loss: str
    default_optimizer: str
    notes: tuple[str, ...] = ()
