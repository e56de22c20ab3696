"""Losses."""

from __future__ import annotations

from functools import cache

from nncost.dims import product
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.library.activations import softmax
from nncost.ir.training.losses import LOSSES, emit_loss

_SYMBOLS = {"L": "the loss", "y": "outputs", "x": "outputs", "z": "outputs before the softmax", "t": "targets"}
_WHY_FUSED = {
    "add": "p − t, and the sum over the rows",
    "log": "one per row",
    "div": "the gradient's mean and the loss's mean",
}


def read_loss(region: Region) -> tuple[Reading, ...]:
    """The rows of the output and their width; none for a loss without a card."""
    shape, name = region.inputs[0].shape, region.layer.name
    if name not in LOSSES:
        return ()
    if name == "cross_entropy":
        rows, width = product(shape[:-1]), shape[-1]
    else:
        rows, width = (shape[0] if shape else 1), product(shape[1:])
    choices = (True, False) if name == "cross_entropy" else (False,)
    flat = len(shape) <= 2 or name != "cross_entropy"
    return tuple(Reading(loss_card(name, fused, flat), (rows, width)) for fused in choices)


@cache
def loss_card(name: str, fused: bool, flat: bool) -> Card:
    """The card of a loss; ``fused`` is a cross-entropy that reuses the softmax the network ends in."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH if flat else "R"], sizes["M"]))
        y = softmax(b, x, layer=True) if fused else b.map("identity", x)
        graph = b.graph(y)
        emit_loss(b, name, graph, 1)
        return {}

    loss = LOSSES[name]
    rows = ROWS if flat else {"R": "rows of the output in the whole batch"}
    return Card(
        title=name,
        letters=rows | {"M": "outputs of the network" if flat else "outputs in each row"},
        build=build,
        equations=(Maths(*loss.value), Maths(*loss.gradient)),
        why=_WHY_FUSED if fused else loss.why,
        symbols=_SYMBOLS | ({"p": "probabilities of the classes"} if name == "cross_entropy" else {"p": "outputs"}),
    )
