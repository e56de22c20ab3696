"""Products of small numbers: scaled eight-bit floats, eight- and four-bit weights."""

from __future__ import annotations

from typing import Any

from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::_int_mm")
def _int_mm(call: Call) -> Tensor:
    """Products of integers are products; the sums are wider."""
    y = call.builder.contract("ij,jk->ik", call.tensor("self"), call.tensor("mat2"))
    return cast(call.builder, y, call.dtype)


@lowers("aten::_scaled_mm", "aten::_scaled_mm_v2")
def _scaled_mm(call: Call) -> Tensor:
    """The product, then each result times the scale of its row and the scale of its column, then the bias."""
    b = call.builder
    y = cast(b, b.contract("ij,jk->ik", call.tensor("self"), call.tensor("mat2")), call.dtype)
    for name in ("scale_a", "scale_b"):
        y = _times(b, y, call[name])
    bias = call.get("bias")
    return y if bias is None else b.map("add", y, bias)


def _times(b: Builder, y: Tensor, scale: Any) -> Tensor:
    """Times a scale: one number, one for each row or column; finer blocks are scaled once for each result too."""
    first = scale[0] if isinstance(scale, tuple) else scale
    fits = first.rank == 0 or all(
        have in (1, want) for have, want in zip(reversed(first.shape), reversed(y.shape), strict=False)
    )
    factor = cast(b, first, y.dtype) if fits else b.constant(1.0)
    return b.map("mul", y, b.reshape(factor, ()) if factor.elements == 1 else factor)


@lowers("aten::_weight_int8pack_mm")
def _int8_weights(call: Call) -> Tensor:
    """``(M, K)`` by eight-bit ``(N, K)``, then one scale for each column."""
    b, x = call.builder, call.tensor("self")
    y = b.contract("mk,nk->mn", x, cast(b, call.tensor("mat2"), x.dtype))
    return b.map("mul", y, cast(b, call.tensor("scales"), x.dtype))


@lowers("aten::_weight_int4pack_mm", "aten::_weight_int4pack_mm_for_cpu")
def _int4_weights(call: Call) -> Tensor:
    """``(M, K)`` by four-bit ``(N, K)``: each weight is scaled and shifted once (1 mul, 1 add), then multiplied."""
    b, x = call.builder, call.tensor("self")
    columns, inner = call.outputs[0][0][1], x.shape[1]
    packed = Tensor((columns, inner), "int8")
    b.inputs.append(packed)
    scales = call.tensor("qScaleAndZeros")
    factor = b.reshape(b.reduce("max", scales, [scales.rank - 1]), (-1,)) if scales.rank == 0 else b.constant(1.0)
    weights = b.map("add", b.map("mul", cast(b, packed, x.dtype), factor), 0.0)
    return b.contract("mk,nk->mn", x, weights)
