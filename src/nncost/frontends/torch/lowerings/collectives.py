"""Between devices: numbers are moved, and added where they are reduced."""

from __future__ import annotations

from collections.abc import Callable

from nncost.frontends.torch.lowerings.operands import algorithm, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers

_MOVED = ("all_gather_into_tensor", "all_gather_into_tensor_coalesced", "all_to_all_single", "broadcast", "wait_tensor", "irecv",
          "isend", "batch_p2p_ops", "all_gather_into_tensor_out")  # fmt: skip
_ADDED = ("all_reduce", "all_reduce_coalesced", "reduce_scatter_tensor", "reduce_scatter_tensor_coalesced",
          "reduce_scatter_tensor_out")  # fmt: skip


def _collective(adds: int) -> Callable[[Call], Lowered]:
    """Between devices; a reduction adds each element of this device's share once."""

    def lower(call: Call) -> Lowered:
        amount = sum((x.elements for x in tensors_of(call)), start=0)
        outputs = algorithm(call, {"add": adds * amount} if adds else {}, note="estimated" if adds else "")
        return outputs if len(outputs) != 1 else outputs[0]

    return lower


for _names, _adds in ((_MOVED, 0), (_ADDED, 1)):
    for _name in _names:
        lowers(f"_c10d_functional::{_name}", f"_c10d_functional_autograd::{_name}")(_collective(_adds))
