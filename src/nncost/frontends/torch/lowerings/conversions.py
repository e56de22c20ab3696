"""The same values in another type or place."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.operands import cast, constant
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor


@lowers("aten::_to_copy", "aten::to", "aten::_autocast_to_reduced_precision")
def _to_copy(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Cast(call.dtype), x)


@lowers("aten::copy")
def _copy(call: Call) -> Tensor:
    """The source's values, in the shape and type of the target."""
    b, source = call.builder, call["src"]
    x = source if isinstance(source, Tensor) else constant(b, source, call.dtype)
    shape = call.outputs[0][0] if call.outputs else call.tensor("self").shape
    full = b.broadcast(x, shape)
    return b.emit(ops.Cast(call.outputs[0][1] if call.outputs else call.tensor("self").dtype), full)


@lowers("aten::clone", "aten::contiguous")
def _clone(call: Call) -> Tensor:
    return call.builder.map("identity", cast(call.builder, call.tensor("self"), call.dtype))
