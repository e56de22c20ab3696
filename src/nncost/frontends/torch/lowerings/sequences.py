"""Sequences of unequal lengths: packing them and padding them again only moves elements."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers


@lowers(
    "aten::_pack_padded_sequence", "aten::_pad_packed_sequence", "aten::_pack_padded_sequence_backward",
    "aten::pad_sequence", "aten::_jagged_to_padded_dense_forward", "aten::_padded_dense_to_jagged_forward",
    "aten::_nested_from_padded", "aten::to_padded_tensor", "aten::nested_to_padded_tensor",
)  # fmt: skip
def _moved(call: Call) -> Lowered:
    """Which element goes where depends on the lengths; no arithmetic."""
    outputs = algorithm(call, {})
    return outputs if len(call.outputs) > 1 else outputs[0]
