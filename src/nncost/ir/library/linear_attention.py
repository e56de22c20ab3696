"""Linear attention: a state that each step adds to and reads, in place of a score for each pair of positions."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import exact_divide
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.sequence import inverse_root

STATE = "float32"
"""The type of the state, whatever the queries are in."""


def linear_attention(
    b: Builder, query: Tensor, key: Tensor, value: Tensor, state: Tensor,
    *, decay: Tensor | None = None, rate: Tensor | None = None, scale: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """``query`` (B, H, T, K), ``key`` (B, G, T, K), ``value`` (B, G, T, V), ``state`` (B, G, K, V): (B, H, T, V), the new state.

    A step adds k⊗v to the state S and reads q·S, times the scale: for each head of the state K·V mul and add, for each of
    the queries K·V products and V mul. A ``decay`` (B, G, T, 1 or K) first multiplies S by its exponential, K·V mul. A
    ``rate`` (B, G or 1, T, 1) puts rate·(v − k·S) in the place of v: K·V products, V add and V mul.
    """
    batch, heads, length, width = query.shape
    groups, shared = key.shape[1], exact_divide(heads, key.shape[1])
    given = [tensor for tensor in (decay, rate) if tensor is not None]
    with b.region(Operation("linear_attention"), query, key, value, state, *given) as region:
        grouped = b.reshape(query, (batch, groups, shared, length, width))
        factor = None if decay is None else b.map("exp", decay)
        rates = None if rate is None else b.broadcast(rate, (batch, groups, length, 1))
        by_step = [_by_step(b, each) for each in (grouped, key, value, factor, rates) if each is not None]

        def step(
            body: Builder, carried: list[Tensor], scanned: list[Tensor]
        ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            with body.region(Operation("step"), *carried, *scanned) as inner:
                q, k, v, *rest = scanned
                memory = carried[0]
                if decay is not None:
                    memory = body.map("mul", memory, body.unsqueeze(rest.pop(0), 3))
                if rate is not None:
                    v = body.map("mul", rest.pop(0), body.map("sub", v, body.contract("bgkv,bgk->bgv", memory, k)))
                memory = body.map("add", memory, body.map("mul", body.unsqueeze(k, 3), body.unsqueeze(v, 2)))
                factor_out = inverse_root(body, width) if scale is None else scale
                y = body.map("mul", body.contract("bghk,bgkv->bghv", q, memory), factor_out)
                inner.returns(memory, y)
            return [memory], [y]

        (final,), (outputs,) = b.repeat(length, [state], step, scanned=by_step)
        y = b.reshape(b.transpose(outputs, (1, 2, 3, 0, 4)), (batch, heads, length, value.shape[3]))
        region.returns(y, final)
    return y, final


def _by_step(b: Builder, x: Tensor) -> Tensor:
    """The axis of steps, which is the last but one, first."""
    axes = list(range(x.rank))
    return b.transpose(x, (axes[-2], *axes[:-2], axes[-1]))
