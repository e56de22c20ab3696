"""What devices send one another: bytes on this device, and the additions that fall to it."""

from __future__ import annotations

from typing import Any

import torch

from nncost.dims import Dim, ceil_divide
from nncost.frontends.torch.lowerings.operands import algorithm, closed_form, moved, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers

_SUMS = {"sum", "avg"}


def _named(*names: str) -> list[str]:
    """Operators with and without a gradient of their own."""
    return [f"{namespace}::{name}" for namespace in ("_c10d_functional", "_c10d_functional_autograd") for name in names]


def _ranks(call: Call) -> int:
    group: Any = torch.distributed.distributed_c10d._resolve_process_group(call["group_name"])
    return int(group.size())


@lowers(*_named("all_reduce"))
def _all_reduce(call: Call) -> Lowered:
    """Each of n devices adds up an n-th of the elements, from all: (n−1)/n additions per element."""
    ranks = _ranks(call)
    return _reduced(call, ceil_divide((ranks - 1) * call.elements, ranks))


@lowers(*_named("reduce_scatter_tensor"))
def _reduce_scatter(call: Call) -> Lowered:
    """Each device adds up its part of the elements, from all."""
    return _reduced(call, (_ranks(call) - 1) * call.elements)


def _reduced(call: Call, additions: Any) -> Lowered:
    kind = "add" if call["reduce_op"] in _SUMS else "mul" if call["reduce_op"] == "product" else "cmp"
    counts = {kind: additions, **({"div": call.elements} if call["reduce_op"] == "avg" else {})}
    return algorithm(call, counts)


def _additions(call: Call) -> dict[str, Dim]:
    """Each element of this device's share is added once."""
    return {"add": sum((x.elements for x in tensors_of(call)), start=0)}


lowers(*_named(
    "all_gather_into_tensor", "all_gather_into_tensor_coalesced", "all_gather_into_tensor_out", "all_to_all_single",
    "broadcast", "irecv", "isend", "batch_p2p_ops",
), "_dtensor::shard_dim_alltoall")(moved)  # fmt: skip
lowers(*_named("all_reduce_coalesced", "reduce_scatter_tensor_coalesced", "reduce_scatter_tensor_out"))(
    closed_form(_additions, estimated=True)
)


@lowers(*_named("wait_tensor"), "_c10d_functional::_wrap_tensor_autograd")
def _waited(call: Call) -> Lowered:
    """The same tensor, once it is there."""
    return call.tensor("tensor" if "tensor" in call.arguments else "input")
