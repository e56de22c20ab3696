"""Dense layers and residual sums."""

from __future__ import annotations

from functools import cache

from nncost.dims import Dim, product
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, BIASES, INPUT, ROWS, WEIGHTS, Card, Reading, Sizes, labelled
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import MatMul, Operation
from nncost.ir.library.dense import dense

RESIDUAL = Operation("residual")


def read_dense(region: Region) -> tuple[Reading, ...]:
    """B examples (of T positions each if the layer works on a sequence), N inputs, M neurons."""
    x, weight, *bias = region.inputs
    return _read(x, *reversed(weight.shape), bias=bool(bias))


def read_matmul(region: Region) -> tuple[Reading, ...]:
    """A product with one learned matrix (N, M) is a dense layer."""
    x, weight, *bias = region.inputs
    learned = region.settings(MatMul).learned and weight.rank == 2
    return _read(x, *weight.shape, bias=bool(bias)) if learned else ()


def _read(x: Tensor, width_in: Dim, width_out: Dim, *, bias: bool) -> tuple[Reading, ...]:
    """A matrix has one example in each row, or one position of an example."""
    if x.rank <= 2:
        sizes = (product(x.shape[:-1]), width_in, width_out)
        return tuple(Reading(dense_card(bias, rows), sizes) for rows in (BATCH, "R"))
    batch, *positions, _ = x.shape
    return (Reading(dense_card(bias, f"{BATCH}T"), (batch, tuple(positions), width_in, width_out)),)


_ROWS = ROWS | {"T": "positions of each example", "R": "rows: the positions of all examples"}


@cache
def dense_card(bias: bool, rows: str) -> Card:
    """The card of a dense layer on ``rows``: B examples, B examples of T positions, or R rows."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((*(sizes[letter] for letter in rows), sizes["N"]))
        weight = b.parameter((sizes["M"], sizes["N"]), "weight", "weight")
        shift = b.parameter((sizes["M"],), "bias", "bias") if bias else None
        dense(b, x, weight, shift)
        return labelled(x, weight, shift)

    counted = "B examples" if rows == BATCH else f"{'·'.join(rows)} rows"
    text = "b_j + " if bias else ""
    return Card(
        title="dense layer" if bias else "dense layer without biases",
        letters={letter: _ROWS[letter] for letter in rows} | {"N": "inputs", "M": "neurons"},
        build=build,
        equations=(
            Maths(
                f"z_j = {text}Σᵢ W_ji·x_i    for j = 1 … M",
                rf"z_j = {text}\sum_{{i=1}}^{{N}} W_{{ji}}\,x_i \qquad j = 1, \dots, M",
            ),
        ),
        gradients=(
            Maths(
                "∂L/∂W = δ·xᵀ    with δ = ∂L/∂z",
                r"\frac{\partial L}{\partial W} = \delta\,x^{\mathsf T}, \qquad \delta = \frac{\partial L}{\partial z}",
            ),
            *((Maths("∂L/∂b = δ", r"\frac{\partial L}{\partial b} = \delta"),) if bias else ()),
            Maths("∂L/∂x = Wᵀ·δ", r"\frac{\partial L}{\partial x} = W^{\mathsf T}\delta"),
        ),
        why={
            "mul": "each of the M neurons multiplies its N inputs by its N weights",
            "add": "each of the M sums has N products and the bias: N + 1 terms, N additions"
            if bias
            else "each of the M sums has N products: N − 1 additions",
        },
        why_backward={
            WEIGHTS: f"one product δ_j·x_i per weight; then the {counted} are added up",
            BIASES: f"δ itself, a copy; only the {counted} are added up",
            INPUT: "each of the N inputs gathers from M neurons: M products, M − 1 additions",
        },
        parameters="one weight per pair of an input and a neuron"
        + (", one bias per neuron" if bias else ", no biases"),
        saved="the dense layers' inputs x (for ∂L/∂W)",
        symbols={"W": "weights", "b": "biases", "x": "inputs", "z": "sums", "y": "sums"},
    )


def read_residual(region: Region) -> tuple[Reading, ...]:
    """B examples of E values in a residual sum; other named operations have no card."""
    if region.layer != RESIDUAL:
        return ()
    batch, *rest = region.outputs[0].shape
    return (Reading(residual_card(), (batch, tuple(rest))),)


@cache
def residual_card() -> Card:
    """The card of a residual sum."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x, inner = (b.input((sizes[BATCH], sizes["E"])) for _ in range(2))
        with b.region(RESIDUAL, x, inner) as region:
            region.returns(b.map("add", inner, x))
        return {INPUT: x, "∂L/∂F": inner}

    return Card(
        title="residual",
        letters=ROWS | {"E": "values of one example"},
        build=build,
        equations=(Maths("y = x + F(x)", "y = x + F(x)"),),
        gradients=(
            Maths(
                "∂L/∂F = ∂L/∂y    the sum passes its gradient on to both sides",
                r"\frac{\partial L}{\partial F} = \frac{\partial L}{\partial y}",
            ),
        ),
        why={"add": "one per value"},
        symbols={"x": "what the block is given", "F": "the layers inside", "y": "the sum"},
    )
