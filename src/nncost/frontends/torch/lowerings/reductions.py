"""Sums, means, extremes, norms, distances, scans, and searching."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import Dim, ceil_log2
from nncost.frontends.torch.lowerings.gradient import Forward, composite, composite_gradient
from nncost.frontends.torch.lowerings.operands import axes_of, cast, closed_form, elementwise, moved, tensors_of, typed
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import reductions as library
from nncost.ir.library.distances import distances_between, distances_within
from nncost.ir.library.statistics import variance


def _keep(call: Call) -> bool:
    return bool(call.get("keepdim", False))


def _reduction(function: str) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        x = typed(call, "self")
        y = call.builder.reduce(function, x, axes_of(call, x), keep=_keep(call))
        return _copied(call, x, y)

    return lower


def _copied(call: Call, x: Tensor, y: Tensor) -> Tensor:
    return call.builder.map("identity", y) if y is x else y


for _name, _function in (("sum", "sum"), ("prod", "prod"), ("amax", "max"), ("amin", "min")):
    lowers(f"aten::{_name}")(_reduction(_function))


@lowers("aten::nansum")
def _nansum(call: Call) -> Lowered:
    """A sum of what is a number: 2 cmp more per element."""
    b, x = call.builder, typed(call, "self")
    numbers = b.map("select", b.map("equal", x, x), x, 0.0)
    return _copied(call, x, b.reduce("sum", numbers, axes_of(call, x), keep=_keep(call)))


@lowers("aten::mean")
def _mean(call: Call) -> Lowered:
    x = typed(call, "self")
    return _copied(call, x, call.builder.mean(x, axes_of(call, x), keep=_keep(call)))


@lowers("aten::any", "aten::all", "aten::_is_all_true", "aten::_is_any_true")
def _truth(call: Call) -> Lowered:
    x = cast(call.builder, call.tensor("self"), "bool")
    function = "max" if "any" in call.name else "min"
    return _copied(call, x, call.builder.reduce(function, x, axes_of(call, x), keep=_keep(call)))


@lowers("aten::argmax", "aten::argmin")
def _arg(call: Call) -> Tensor:
    b, x = call.builder, call.tensor("self")
    dim = call.get("dim")
    flat = b.reshape(x, (x.elements,)) if dim is None else x
    kind = "max" if call.name == "aten::argmax" else "min"
    _, index = b.emit_many(ops.ArgReduce(kind, 0 if dim is None else dim % x.rank), flat)  # type: ignore[arg-type]
    return b.reshape(index, call.shape)


@lowers("aten::max", "aten::min")
def _extreme(call: Call) -> Lowered:
    """Over everything, or the values and indices along an axis."""
    b, x = call.builder, call.tensor("self")
    kind = "max" if call.name == "aten::max" else "min"
    if "dim" not in call.arguments:
        return _copied(call, x, b.reduce(kind, x, range(x.rank)))
    if x.rank == 0:
        return b.map("identity", x), None
    value, index = b.emit_many(ops.ArgReduce(kind, call["dim"] % x.rank), x)  # type: ignore[arg-type]
    return b.reshape(value, call.shape), b.reshape(index, call.outputs[1][0])


def _moments(call: Call) -> tuple[Tensor, Tensor]:
    """The variance, or its root, and the mean."""
    b, x = call.builder, typed(call, "self")
    correction = call.get("correction", 1 if call.get("unbiased", True) else 0)
    spread, mean = variance(b, x, axes_of(call, x), correction=correction, keep=_keep(call))
    return (b.map("sqrt", spread) if "std" in call.name else spread), mean


lowers("aten::var", "aten::std")(lambda call: _moments(call)[0])
lowers("aten::var_mean", "aten::std_mean")(_moments)


@lowers("aten::linalg_vector_norm", "aten::norm", "aten::native_norm")
def _norm(call: Call) -> Lowered:
    """(Σ|x|^p)^(1/p); p = 1, 2 and ∞ without powers."""
    b, given = call.builder, call.tensor("self")
    x = cast(b, b.map("abs", given), call.dtype) if given.dtype.startswith("complex") else typed(call, "self")
    order = call.get("ord", call.get("p", 2))
    order = 2.0 if order is None else float(order)
    axes, keep = axes_of(call, x), _keep(call)
    return _copied(call, x, library.vector_norm(b, x, order, axes, keep=keep))


@lowers("aten::linalg__powsum")
def _power_sum(call: Call) -> Lowered:
    """Σ|x|^p."""
    x = typed(call, "self")
    return library.power_sum(call.builder, x, float(call.get("ord", 2)), axes_of(call, x), keep=_keep(call))


@lowers("aten::aminmax", "aten::_aminmax")
def _both_extremes(call: Call) -> Lowered:
    b, x, dim = call.builder, call.tensor("self"), call.get("dim")
    axes = list(range(x.rank)) if dim is None else [dim % max(x.rank, 1)][: x.rank]
    return [_copied(call, x, b.reduce(kind, x, axes, keep=_keep(call))) for kind in ("min", "max")]


@lowers("aten::logsumexp")
def _logsumexp(call: Call) -> Tensor:
    x = typed(call, "self")
    return library.logsumexp(call.builder, x, axes_of(call, x), keep=_keep(call))


@lowers("aten::cumsum", "aten::cumprod", "aten::logcumsumexp", "aten::_logcumsumexp")
def _scan(call: Call) -> Lowered:
    x = typed(call, "self")
    if x.rank == 0:
        return call.builder.map("identity", x)
    function = "prod" if call.name == "aten::cumprod" else "sum"
    source = elementwise(call, "exp", x) if "logcumsumexp" in call.name else x
    y = call.builder.emit(ops.Scan(function, call["dim"] % x.rank), source)  # type: ignore[arg-type]
    return elementwise(call, "log", y) if "logcumsumexp" in call.name else y


@lowers("aten::cummax", "aten::cummin")
def _running_extreme(call: Call) -> Lowered:
    x = call.tensor("self")
    b = call.builder
    if x.rank == 0:
        return b.map("identity", x), None
    turned = x if call.name == "aten::cummax" else b.map("neg", x)
    y = b.emit(ops.Scan("max", call["dim"] % x.rank), turned)
    return (y if call.name == "aten::cummax" else b.map("neg", y)), None


@lowers("aten::count_nonzero")
def _count_nonzero(call: Call) -> Tensor:
    b, x = call.builder, call.tensor("self")
    flags = cast(b, b.map("not_equal", x, 0.0) if "float" in x.dtype else x, "int64")
    return b.reduce("sum", flags, axes_of(call, x))


def _between(call: Call) -> Forward:
    return lambda b, x, y: distances_between(b, x, y, float(call["p"]))


def _within(call: Call) -> Forward:
    return lambda b, x: distances_within(b, x, float(call.get("p", 2.0)))


lowers("aten::_cdist_forward")(composite(_between, "x1", "x2"))
lowers("aten::_cdist_backward")(composite_gradient(_between, "x1", "x2", saved="cdist"))
lowers("aten::_pdist_forward")(composite(_within, "self"))
lowers("aten::_pdist_backward")(composite_gradient(_within, "self", saved="pdist"))


# -------------------------------------------------------------------- searching: amounts hardly depend on the data
def _compared(x: Tensor, amount: Dim) -> dict[str, Dim]:
    """Comparisons; of whole numbers they are integer operations."""
    return {"cmp" if "float" in x.dtype else "int_ops": amount}


def _searched(call: Call) -> dict[str, Dim]:
    """A binary search: ⌈log₂(n+1)⌉ comparisons per value."""
    table = call.tensor("sorted_sequence" if "sorted_sequence" in call.arguments else "boundaries")
    return _compared(table, call.elements * ceil_log2(table.shape[-1] + 1))


def _unique(call: Call) -> dict[str, Dim]:
    """Sorted, then each compared with the one before; consecutive ones need no sorting."""
    x = call.tensor("self")
    return _compared(x, x.elements * (1 if "consecutive" in call.name else ceil_log2(x.elements) + 1))


def _isin(call: Call) -> dict[str, Dim]:
    """Both sorted, then one pass."""
    tensors = tensors_of(call)
    count = sum((x.elements for x in tensors), start=0)
    return _compared(tensors[0], count * ceil_log2(count))


def _selected(call: Call) -> dict[str, Dim]:
    """What is taken depends on the data; finding what is not zero is 1 cmp each, taking it is free."""
    x = tensors_of(call)[0]
    return {} if x.dtype == "bool" else _compared(x, x.elements)


def _segments(call: Call) -> dict[str, Dim]:
    """Within each segment one operation fewer than there are elements; a mean divides."""
    kind = {"sum": "add", "mean": "add", "max": "cmp", "min": "cmp", "prod": "mul"}[call["reduce"]]
    amount = call.tensor("data").elements - call.elements
    return {kind: amount, "div": call.elements if call["reduce"] == "mean" else 0}


def _segments_backward(call: Call) -> dict[str, Dim]:
    """Each gradient is spread over its segment: means divide it, products multiply and divide, extremes are compared."""
    n = call.tensor("data").elements
    counts: dict[str, dict[str, Dim]] = {
        "sum": {}, "mean": {"div": call.tensor("output").elements}, "prod": {"mul": n, "div": n},
        "max": {"cmp": n}, "min": {"cmp": n},
    }  # fmt: skip
    return counts[call["reduce"]]


lowers("aten::searchsorted", "aten::bucketize")(closed_form(_searched, estimated=True))
lowers(
    *(
        f"aten::{_name}"
        for _name in ("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive")
    )
)(closed_form(_unique, estimated=True))
lowers("aten::isin")(closed_form(_isin, estimated=True))
# One addition per element counted.
lowers("aten::histc", "aten::bincount", "aten::histogram", "aten::_histogramdd_from_bin_cts",
       "aten::_histogramdd_from_bin_tensors")(closed_form(lambda call: {"int_ops": tensors_of(call)[0].elements}))  # fmt: skip
lowers("aten::_histogramdd_bin_edges")(
    closed_form(lambda call: {"cmp": 2 * call.tensor("self").elements}, estimated=True)
)
lowers("aten::nonzero", "aten::nonzero_static", "aten::argwhere")(closed_form(_selected))
lowers("aten::masked_select", "aten::repeat_interleave")(moved)
lowers("aten::segment_reduce")(closed_form(_segments))
lowers("aten::_segment_reduce_backward")(closed_form(_segments_backward))
