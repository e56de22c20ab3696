"""A graph built by hand is a source like any other, with numbers and with symbols."""

from __future__ import annotations

import pytest

import nncost
from nncost.dims import Dim, symbol
from nncost.errors import ShapeError
from nncost.ir.builder import Builder
from nncost.ir.graph import Graph
from nncost.ir.library import activations, dense
from tests.symbols.substitution import amounts, at


def tied_autoencoder(batch: Dim, width: Dim, code: Dim) -> Graph:
    """Encoder and decoder share one weight, which no spec can say."""
    b = Builder()
    x = b.input((batch, width), name="pixels")
    with b.layer("encoder"):
        weight = b.parameter((code, width), "weight", "weight")
        hidden = activations.activation(b, "relu", dense.dense(b, x, weight, b.parameter((code,), "bias", "bias")))
    with b.layer("decoder"):
        y = b.contract("bc,cw->bw", hidden, weight)
    return b.graph(y)


def test_hand_built_graph() -> None:
    report = nncost.count(tied_autoencoder(2, 8, 3), loss="squared_error", optimizer="sgd")
    assert report.source.kind == "graph"
    assert report.source.inputs == {"pixels": (2, 8)}
    assert report.parameters.total == 8 * 3 + 3  # A tied weight counts once.
    assert report.forward.mul == 2 * (8 * 3 + 3 * 8)
    # Its two gradients are added: 24 additions on top of both weight gradients', the bias's and the hidden one's.
    assert report.backward.macs == 2 * 3 * 24
    assert report.backward.add == 2 * 24 - 24 + 2 * 24 - 24 + 24 + 2 * 3 * (8 - 1) + (2 - 1) * 3
    assert report.backward.derivatives == 27


def test_forward_only_by_default() -> None:
    report = nncost.count(tied_autoencoder(2, 8, 3))
    assert report.settings["loss"] == "none"
    assert not report.backward


def test_symbolic_hand_built_graph() -> None:
    formulas = amounts(nncost.count(tied_autoencoder(symbol("B"), symbol("w"), symbol("c")), loss="squared_error"))
    numbers = amounts(nncost.count(tied_autoencoder(5, 10, 2), loss="squared_error"))
    assert {key: at(amount, {"B": 5, "w": 10, "c": 2}) for key, amount in formulas.items()} == numbers


def test_shapes_that_do_not_fit() -> None:
    b = Builder()
    with pytest.raises(ShapeError, match="3 on one side and 4 on the other"):
        b.contract("ij,jk->ik", b.input((2, 3)), b.input((4, 5)))
