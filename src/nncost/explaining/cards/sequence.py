"""Embedding and attention."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from nncost.dims import Dim, same
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, ROWS, WEIGHTS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Attention
from nncost.ir.library.sequence import attention, embedding


def read_embedding(region: Region) -> tuple[Reading, ...]:
    """B examples of T indices, a table of V rows of D values."""
    table, indices = region.inputs
    batch = indices.shape[0] if indices.rank else 1
    return (Reading(embedding_card(), (batch, indices.shape[1:], *table.shape)),)


@cache
def embedding_card() -> Card:
    """The card of an embedding."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        indices = b.input((sizes[BATCH], sizes["T"]), dtype="int64")
        table = b.parameter((sizes["V"], sizes["D"]), "weight", "weight")
        embedding(b, indices, table)
        return {WEIGHTS: table}

    return Card(
        title="embedding",
        letters=ROWS | {"T": "indices in each example", "V": "rows of the table", "D": "values in each row"},
        build=build,
        equations=(Maths("y_t = W[i_t]    row i_t of the table: looked up, not computed", r"y_t = W_{i_t}"),),
        gradients=(Maths("∂L/∂W[i_t] gathers g_t", r"\frac{\partial L}{\partial W_{i_t}} \mathrel{+}= g_t"),),
        why_backward={WEIGHTS: "each row that was used receives its gradient: one addition per value"},
        parameters="D weights in each of the V rows of the table",
        saved="the embedding's indices",
        symbols={"W": "the table", "y": "outputs"},
    )


def read_attention(region: Region) -> tuple[Reading, ...]:
    """B examples, H heads (G of keys and values), T queries, S keys, widths E and F."""
    query, key, value, *mask = region.inputs
    batch, heads, length, width = query.shape
    own, one_width = same(key.shape[2], length), same(value.shape[3], width)
    values: Mapping[str, Dim] = {
        BATCH: batch, "H": heads, "T": length, "S": key.shape[2], "E": width, "F": value.shape[3], "G": key.shape[1],
    }  # fmt: skip
    shared = not same(key.shape[1], heads)
    card = attention_card(own, one_width, region.settings(Attention).causal, bool(mask), shared=shared)
    return (Reading(card, tuple(values[letter] for letter in card.letters)),)


@cache
def attention_card(own: bool, one_width: bool, causal: bool, mask: bool, *, shared: bool = False) -> Card:
    """The card of scaled dot-product attention; ``own`` is self-attention, with as many keys as queries."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        batch, heads, length, width = (sizes[letter] for letter in (BATCH, "H", "T", "E"))
        source, depth, groups = sizes.get("S", length), sizes.get("F", width), sizes.get("G", heads)
        query = b.input((batch, heads, length, width))
        key, value = b.input((batch, groups, source, width)), b.input((batch, groups, source, depth))
        attention(b, query, key, value, causal=causal, mask=b.input((length, source)) if mask else None)
        return {"∂L/∂Q": query, "∂L/∂K": key, "∂L/∂V": value}

    keys = "T" if own else "S"
    optional = (
        (not own, "S", "keys"),
        (not one_width, "F", "values of one value vector"),
        (shared, "G", "heads of keys and values, shared among the H"),
    )
    return Card(
        title="attention" + (" (causal)" if causal else ""),
        letters=ROWS
        | {
            "H": "heads",
            "T": "positions (queries)" if not own else "positions",
            "E": "values of one query or key: the layer's width over its heads",
        }
        | {letter: meaning for there, letter, meaning in optional if there},
        build=build,
        equations=(
            Maths(
                "A = Q·Kᵀ/√E" + ("    (later positions are masked out)" if causal else ""),
                r"A = \frac{Q K^{\mathsf T}}{\sqrt{E}}",
            ),
            Maths("P = softmax(A),  Y = P·V", r"P = \operatorname{softmax}(A), \qquad Y = P V"),
        ),
        gradients=(
            Maths(
                "∂L/∂V = Pᵀ·g,  ∂L/∂P = g·Vᵀ,  through the softmax to ∂L/∂A",
                r"\frac{\partial L}{\partial V} = P^{\mathsf T} g, \quad \frac{\partial L}{\partial P} = g V^{\mathsf T}",
            ),
            Maths(
                "∂L/∂Q = ∂L/∂A·K/√E,  ∂L/∂K = (∂L/∂A)ᵀ·Q/√E",
                r"\frac{\partial L}{\partial Q} = \frac{\partial L}{\partial A} \frac{K}{\sqrt E}, \quad \frac{\partial L}{\partial K} = \left(\frac{\partial L}{\partial A}\right)^{\mathsf T} \frac{Q}{\sqrt E}",
            ),
        ),
        why={
            "mul": f"Q·Kᵀ and P·V, and 1 for each of the T·{keys} scores (the scale)",
            "add": "the sums of both products, and the softmax" + (", and the mask" if mask else ""),
            "cmp": "the maximum in each softmax" + (", and 1 per score (is it allowed?)" if causal else ""),
            "exp": "one per score",
            "div": "one per score",
        },
        saved="attention's Q, K, V and P",
        symbols={"Q": "queries", "K": "keys", "V": "values", "A": "scores", "P": "shares", "Y": "outputs"},
    )
