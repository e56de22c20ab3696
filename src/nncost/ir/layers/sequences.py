"""Layers over sequences, and dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nncost.dims import Dim


@dataclass(frozen=True, slots=True)
class Attention:
    """Scaled dot-product attention. Inputs: query (B, H, T, E), key (B, G, S, E), value (B, G, S, V), perhaps a mask.

    Without a ``scale`` it is 1/√E. A ``causal`` mask aligns the last query with the last key or,
    ``from_start``, the first with the first.
    """

    causal: bool = False
    from_start: bool = False
    scale: float | None = None
    name: ClassVar[str] = "attention"


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A recurrent layer (``rnn``, ``lstm`` or ``gru``) of H units over (B, T, F), one direction for each item of ``reverse``.

    Inputs: x, then for each direction the weights (G·H, F) and (G·H, H) and as many biases (G·H,) as
    ``biases`` says (1: of the input only), then as many initial states as ``initial`` says; they are
    zero without. Outputs: the joined hidden states of all steps, each direction's final hidden state,
    then each direction's final cell state.
    """

    cell: str
    hidden: Dim
    reverse: tuple[bool, ...] = (False,)
    biases: int = 2
    initial: int = 0

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.cell


@dataclass(frozen=True, slots=True)
class Embedding:
    """Rows of a table. Inputs: the table (V, D) and the indices (…)."""

    name: ClassVar[str] = "embedding"


@dataclass(frozen=True, slots=True)
class Dropout:
    """Sets elements to zero with a probability and scales the rest. Input: x."""

    probability: float
    name: ClassVar[str] = "dropout"
