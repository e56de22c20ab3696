"""A teacher's card: the equation of one kind of layer, its letters, and how to build it from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.dims import Dim, Shape, product
from nncost.documents.document import Maths
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.records import field, record

Sizes = Mapping[str, Dim]
Build = Callable[[Builder, Sizes], Mapping[str, Tensor]]
"""``build(builder, sizes)`` emits the composite's region and names the tensors that may receive a gradient."""

BATCH = "B"
"""The letter of the batch, which worked lines leave out if the batch is one example."""

ROWS = {BATCH: "examples in the batch"}
CHANNELS = {"C": "channels", "S": "values in each channel (height × width)"}
INPUT, WEIGHTS, BIASES = "∂L/∂x", "∂L/∂W", "∂L/∂b"
"""Gradients that explanations speak about."""


def labelled(x: Tensor, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Return the tensors of a layer with weights under the names of their gradients."""
    return {INPUT: x, WEIGHTS: weight} | ({} if bias is None else {BIASES: bias})


@record(eq=False)
class Card:
    """One kind of layer with one choice of options.

    ``letters`` give each letter its meaning, in the order in which formulas write their factors.
    ``symbols`` say what else stands in the equations. ``why`` explains each quantity of the forward pass, ``why_backward`` each gradient. Formulas are
    not written here: they come from counting what ``build`` builds.
    """

    title: str
    letters: Mapping[str, str]
    build: Build
    equations: tuple[Maths, ...]
    gradients: tuple[Maths, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    why_backward: Mapping[str, str] = field(default_factory=dict)
    parameters: str = ""
    saved: str = ""
    training: bool = True
    symbols: Mapping[str, str] = field(default_factory=dict)


@record
class Reading:
    """A card and the sizes that one layer puts in place of its letters, in the card's order.

    Several sizes for one letter, such as height and width, are multiplied.
    """

    card: Card
    sizes: tuple[Dim | Shape, ...]

    @property
    def values(self) -> tuple[Dim, ...]:
        """One size per letter."""
        return tuple(product(size) if isinstance(size, tuple) else size for size in self.sizes)

    def size_of(self, letter: str, default: Dim) -> Dim:
        """The size in place of a letter, or the default if the card does not have the letter."""
        return dict(zip(self.card.letters, self.values, strict=True)).get(letter, default)


Reader = Callable[[Region], tuple[Reading, ...]]
"""The readings a region may have; the first whose numbers equal the ledger's is shown."""
