"""Sizes that data decide: exact where the data are known before a run, else the largest there can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nncost.dims import Dim
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Unlowered


def size_by_data(call: Call, positions: Sequence[int], count: Callable[..., int], largest: Dim) -> Dim:
    """What ``count`` says of the operands' values, or ``largest`` with a note where a run would have to show them."""
    try:
        values = [call.array(position) for position in positions]
    except Unlowered:
        call.walk.bounded = True
        call.note(f"Sizes that data decide are counted at their largest: {call.node.op_type} gives at most {largest}.")
        return largest
    return int(count(*values))
