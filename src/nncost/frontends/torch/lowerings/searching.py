"""Searching and grouping: what is found depends on the data, how many comparisons it takes hardly does."""

from __future__ import annotations

from nncost.dims import Dim, ceil_log2
from nncost.frontends.torch.lowerings.operands import algorithm, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.graph import Tensor

ESTIMATED = "estimated"


def _compared(call: Call, x: Tensor, amount: Dim) -> dict[str, Dim]:
    """Comparisons; of whole numbers they are integer operations."""
    return {"cmp" if "float" in x.dtype else "int_ops": amount}


@lowers("aten::searchsorted", "aten::bucketize")
def _searched(call: Call) -> Tensor:
    """A binary search: ⌈log₂(n+1)⌉ comparisons for each value."""
    table = call.tensor("sorted_sequence" if "sorted_sequence" in call.arguments else "boundaries")
    values = Tensor(*call.outputs[0]).elements
    return algorithm(call, _compared(call, table, values * ceil_log2(table.shape[-1] + 1)), note=ESTIMATED)[0]


@lowers(
    "aten::_unique", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive", "aten::unique_dim_consecutive"
)
def _unique(call: Call) -> Lowered:
    """Sorted, then each compared with the one before; consecutive ones need no sorting."""
    x = call.tensor("self")
    sorting: Dim = 0 if "consecutive" in call.name else x.elements * ceil_log2(x.elements)
    outputs = algorithm(call, _compared(call, x, sorting + x.elements), note=ESTIMATED)
    return outputs if len(outputs) > 1 else outputs[0]


@lowers("aten::isin")
def _isin(call: Call) -> Tensor:
    """Both sorted, then one pass."""
    tensors = tensors_of(call)
    count = sum((x.elements for x in tensors), start=0)
    return algorithm(call, _compared(call, tensors[0], count * ceil_log2(count)), note=ESTIMATED)[0]


@lowers("aten::histc", "aten::bincount", "aten::histogram", "aten::_histogramdd_from_bin_cts",
        "aten::_histogramdd_from_bin_tensors")  # fmt: skip
def _histogram(call: Call) -> Lowered:
    """One addition for each element counted."""
    x = tensors_of(call)[0]
    outputs = algorithm(call, {"int_ops": x.elements})
    return outputs if len(outputs) > 1 else outputs[0]


@lowers("aten::_histogramdd_bin_edges")
def _edges(call: Call) -> Lowered:
    x = call.tensor("self")
    return algorithm(call, {"cmp": 2 * x.elements}, note=ESTIMATED)


@lowers("aten::nonzero", "aten::nonzero_static", "aten::masked_select", "aten::repeat_interleave", "aten::argwhere")
def _selected(call: Call) -> Tensor:
    """What is taken depends on the data; finding what is not zero is 1 cmp each, taking it is free."""
    x = tensors_of(call)[0]
    free = x.dtype == "bool" or call.name in ("aten::masked_select", "aten::repeat_interleave")
    return algorithm(call, {} if free else _compared(call, x, x.elements))[0]


@lowers("aten::segment_reduce")
def _segments(call: Call) -> Tensor:
    """Within each segment one operation fewer than there are elements; a mean divides."""
    x, output = call.tensor("data"), Tensor(*call.outputs[0])
    kind = {"sum": "add", "mean": "add", "max": "cmp", "min": "cmp", "prod": "mul"}[call["reduce"]]
    counts: dict[str, Dim] = {kind: x.elements - output.elements}
    if call["reduce"] == "mean":
        counts["div"] = output.elements
    return algorithm(call, counts)[0]


@lowers("aten::_segment_reduce_backward")
def _segments_backward(call: Call) -> Tensor:
    """Each gradient is spread over its segment: means divide it, products multiply and divide, extremes are compared."""
    x, output = call.tensor("data"), call.tensor("output")
    counts: dict[str, dict[str, Dim]] = {
        "sum": {}, "mean": {"div": output.elements}, "prod": {"mul": x.elements, "div": x.elements},
        "max": {"cmp": x.elements}, "min": {"cmp": x.elements},
    }  # fmt: skip
    return algorithm(call, counts[call["reduce"]])[0]
