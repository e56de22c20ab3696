"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from nncost.dims import Dim
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, INPUT, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Recurrent
from nncost.ir.library.recurrent import CELLS, CellWeights, recurrent_layer

_EQUATIONS: Mapping[str, tuple[Maths, ...]] = {
    "rnn": (Maths("h_t = tanh(W·x_t + b + U·h_t−1 + d)", r"h_t = \tanh(W x_t + b + U h_{t-1} + d)"),),
    "lstm": (
        Maths("(i, f, n, o) = W·x_t + b + U·h_t−1 + d", r"(i, f, n, o) = W x_t + b + U h_{t-1} + d"),
        Maths("c_t = σ(f)⊙c_t−1 + σ(i)⊙tanh(n)", r"c_t = \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(n)"),
        Maths("h_t = σ(o)⊙tanh(c_t)", r"h_t = \sigma(o) \odot \tanh(c_t)"),
    ),
    "gru": (
        Maths("(r, z, n) = W·x_t + b,  (r', z', n') = U·h_t−1 + d", r"(r, z, n) = W x_t + b, \quad (r', z', n') = U h_{t-1} + d"),
        Maths("m = tanh(n + σ(r + r')⊙n')", r"m = \tanh(n + \sigma(r + r') \odot n')"),
        Maths("h_t = (1 − u)⊙m + u⊙h_t−1    with u = σ(z + z')", r"h_t = (1 - u) \odot m + u \odot h_{t-1}, \qquad u = \sigma(z + z')"),
    ),
}  # fmt: skip


_SYMBOLS = {
    "x": "inputs", "h": "outputs, which the next step reads", "c": "cell states", "W": "weights of the inputs",
    "U": "weights of the step before", "b": "biases", "d": "biases of the step before", "i": "input gate", "f": "forget gate",
    "n": "new values", "o": "output gate", "r": "reset gate", "z": "update gate", "σ": "the sigmoid function",
    "⊙": "element by element",
}  # fmt: skip


def read_recurrent(region: Region) -> tuple[Reading, ...]:
    """B examples of T steps of F features, H units."""
    batch, steps, features = region.inputs[0].shape
    layer = region.settings(Recurrent)
    card = recurrent_card(layer.cell, len(layer.reverse), layer.biases)
    return (Reading(card, (batch, steps, features, layer.hidden)),)


@cache
def recurrent_card(kind: str, directions: int, biases: int) -> Card:
    """The card of an ``rnn``, ``lstm`` or ``gru`` in one or two directions."""
    gates = CELLS[kind].gates

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["T"], sizes["F"]))
        rows: Dim = gates * sizes["H"]
        labelled = {INPUT: x}
        cells = []
        for direction in range(directions):
            weights = CellWeights(
                b.parameter((rows, sizes["F"]), "weight", "weight_ih"),
                b.parameter((rows, sizes["H"]), "weight", "weight_hh"),
                b.parameter((rows,), "bias", "bias_ih") if biases > 0 else None,
                b.parameter((rows,), "bias", "bias_hh") if biases > 1 else None,
            )
            cells.append(weights)
            mark = "'" * direction
            labelled |= {f"∂L/∂{name}{mark}": t for name, t in zip("WUbd", weights.tensors(), strict=False)}
        recurrent_layer(b, kind, x, cells, reverse=(False, True)[:directions])
        return labelled

    both = " in each of two directions" if directions == 2 else ""
    return Card(
        title=f"{kind} in two directions" if directions == 2 else kind,
        letters=ROWS | {"T": "steps in time", "F": "features of each step", "H": "units" + both},
        build=build,
        equations=_EQUATIONS[kind],
        gradients=(
            Maths(
                "δ runs back through time, from step T to step 1, by the same chain rule, which is not written out here",
                r"\delta_T \to \delta_{T-1} \to \dots \to \delta_1",
            ),
        ),
        why={
            "mul": f"at each step {gates}·H sums over F features and H former states, and the products of the gates",
            "add": "these sums, the biases and the sums of the gates",
            "sigmoid": "the gates at each step",
            "tanh": "at each step",
            "activations": "the gates and states at each step",
        },
        why_backward={INPUT: "all steps share one set of weights, so T gradients are added up for each"},
        parameters=f"{gates} gates with F·H + H·H weights each"
        + (f" and {biases}·H biases" if biases else "") + both,
        saved=f"the {kind}'s gates and states of all steps",
        symbols=_SYMBOLS,
    )  # fmt: skip
