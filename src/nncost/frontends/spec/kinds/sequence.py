"""Layers over sequences: embedding, attention and recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from nncost.dims import Dim, exact_divide, is_symbolic
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.layers import Build, Context, affine, layer, needs
from nncost.frontends.spec.sizes import number_or_none
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import recurrent, sequence

MAX_RECURRENT_LAYERS = 64
"""Layers of one recurrent network, each of which is written out; far above any real one."""


_HEADS = (12, 8, 4, 2, 1)
"""Numbers of heads for an example."""


def _divisor(number: int, below: int) -> int:
    """The largest divisor of a number that is not above another, as far as that is quick to see."""
    return next((d for d in range(min(below, _FEW), 0, -1) if number % d == 0), 1)


_FEW = 1_000


@layer("embedding", ["v", "d"], examples=["T, embedding V D"])
def _embedding(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Rows of a table of V vectors of D; the input shape is the sequence length."""
    rows, width = a.size("v", "embedding 50257 768"), a.size("d", "embedding 50257 768")
    if x.dtype != "int64":
        raise c.sizes.error("embedding takes indices, so it must be the first layer", a.layer.name)
    return sequence.embedding(c.builder, x, c.builder.parameter((rows, width), "weight", "weight"))


@layer(
    "attention",
    [],
    ["heads", "kv_heads", "bias"],
    ["causal"],
    examples=["TxD, attention heads=2", "TxD, attention heads=4 kv_heads=2 causal"],
)
def _attention(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Self-attention with its query, key, value and output projections."""
    needs(a, x, (3,), "sequence x width", c)
    b, width = c.builder, x.shape[-1]
    number = number_or_none(width)
    fitting = next(heads for heads in _HEADS if number is None or number % heads == 0)
    heads = c.sizes.integer(a.required("heads", f"attention heads={fitting} causal"), "heads")
    groups, bias = a.integer("kv_heads", heads), a.yes_or_no("bias", True)
    if number is not None and number % heads:
        message = f"heads={heads} does not divide the width {number}"
        raise c.sizes.error(message, a.required("heads", ""), meant=str(_divisor(number, heads)))
    if heads % groups:
        message = f"kv_heads={groups} does not divide heads={heads}"
        raise c.sizes.error(message, a.required("kv_heads", ""), meant=str(_divisor(heads, groups)))
    shared_width = exact_divide(width, heads) * groups
    projected: list[Tensor] = []
    for name, size, count in (("query", width, heads), ("key", shared_width, groups), ("value", shared_width, groups)):
        with b.scope(name):
            projected.append(sequence.split_heads(b, affine(b, x, size, bias=bias), count))
    y = sequence.merge_heads(b, sequence.attention(b, *projected, causal=a.flag("causal")))
    with b.scope("output"):
        return affine(b, y, width, bias=bias)


def _recurrent(kind: str) -> Build:
    def build(c: Context, x: Tensor, a: Arguments) -> Tensor:
        needs(a, x, (3,), "sequence x features", c)
        hidden, biases = a.size("h", f"{kind} 128"), a.integer("biases", 2)
        if biases > 2:
            raise c.sizes.error("biases is 1 or 2", a.required("biases", ""))
        if is_symbolic(x.shape[1]):
            c.note(f"Bytes of a recurrent layer over {x.shape[1]} steps hold from 2 steps on; counts hold from 1.")
        directions = 2 if a.flag("bidirectional") else 1
        layers = a.integer("layers", 1)
        if layers > MAX_RECURRENT_LAYERS:
            raise c.sizes.error(f"layers is at most {MAX_RECURRENT_LAYERS}", a.required("layers", ""))
        last: list[Tensor] = []
        for number in range(1, layers + 1):
            with c.builder.scope(f"layer.{number}") if layers > 1 else nullcontext():
                weights = [_weights(c.builder, kind, x.shape[-1], hidden, biases) for _ in range(directions)]
                x, finals = recurrent.recurrent_layer(c.builder, kind, x, weights, reverse=(False, True)[:directions])
                last = [states[0] for states in finals]
        if not a.flag("last"):
            return x
        return last[0] if directions == 1 else _joined(c.builder, last)

    build.__doc__ = f"{kind.upper()} layers of H units over a sequence."
    return build


def _weights(b: Builder, kind: str, width: Dim, hidden: Dim, biases: int) -> recurrent.CellWeights:
    """One direction's parameters."""
    rows = recurrent.CELLS[kind].gates * hidden
    return recurrent.CellWeights(
        b.parameter((rows, width), "weight", "weight_ih"),
        b.parameter((rows, hidden), "weight", "weight_hh"),
        b.parameter((rows,), "bias", "bias_ih"),
        b.parameter((rows,), "bias", "bias_hh") if biases == 2 else None,
    )


def _joined(b: Builder, tensors: Sequence[Tensor]) -> Tensor:
    from nncost.ir.ops import Concat

    return b.emit(Concat(tensors[0].rank - 1), *tensors)


for _kind_name in recurrent.CELLS:
    layer(_kind_name, ["h"], ["biases", "layers"], ["bidirectional", "last"], examples=[f"TxF, {_kind_name} H"])(
        _recurrent(_kind_name)
    )
