"""Sums, means, extremes and scans."""

from __future__ import annotations

from collections.abc import Callable

from nncost.frontends.torch.lowerings.elementwise import power
from nncost.frontends.torch.lowerings.operands import axes_of, cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor


def _input(call: Call) -> Tensor:
    return cast(call.builder, call.tensor("self"), call.dtype)


def _keep(call: Call) -> bool:
    return bool(call.get("keepdim", False))


def _reduction(function: str) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        x = _input(call)
        y = call.builder.reduce(function, x, axes_of(call, x), keep=_keep(call))
        return _copied(call, x, y)

    return lower


def _copied(call: Call, x: Tensor, y: Tensor) -> Tensor:
    return call.builder.map("identity", y) if y is x else y


for _name, _function in (("sum", "sum"), ("prod", "prod"), ("amax", "max"), ("amin", "min")):
    lowers(f"aten::{_name}")(_reduction(_function))


@lowers("aten::nansum")
def _nansum(call: Call) -> Lowered:
    """A sum of what is a number: 2 cmp more for each element."""
    b, x = call.builder, _input(call)
    numbers = b.map("select", b.map("equal", x, x), x, 0.0)
    return _copied(call, x, b.reduce("sum", numbers, axes_of(call, x), keep=_keep(call)))


@lowers("aten::mean")
def _mean(call: Call) -> Lowered:
    x = _input(call)
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
    return b.reshape(index, call.outputs[0][0])


@lowers("aten::max", "aten::min")
def _extreme(call: Call) -> Lowered:
    """Over everything, or the values and places along an axis."""
    b, x = call.builder, call.tensor("self")
    kind = "max" if call.name == "aten::max" else "min"
    if "dim" not in call.arguments:
        return _copied(call, x, b.reduce(kind, x, range(x.rank)))
    if x.rank == 0:
        return b.map("identity", x), None
    value, index = b.emit_many(ops.ArgReduce(kind, call["dim"] % x.rank), x)  # type: ignore[arg-type]
    return b.reshape(value, call.outputs[0][0]), b.reshape(index, call.outputs[1][0])


def _variance(call: Call, x: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
    """The variance with Bessel's correction, and the mean."""
    b, axes = call.builder, axes_of(call, x)
    mean = b.mean(x, axes, keep=True)
    centred = b.map("sub", x, mean)
    total = b.reduce("sum", b.map("square", centred), axes, keep=keep)
    correction = call.get("correction", 1 if call.get("unbiased", True) else 0)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    divisor = count - correction if isinstance(count, int) else count
    kept = mean if keep else b.reshape(mean, total.shape)
    return b.map(
        "div", total, float(divisor) if isinstance(divisor, (int, float)) else b.size_constant([divisor])
    ), kept


@lowers("aten::var", "aten::std")
def _var(call: Call) -> Tensor:
    variance, _ = _variance(call, _input(call), keep=_keep(call))
    return call.builder.map("sqrt", variance) if call.name == "aten::std" else variance


@lowers("aten::var_mean", "aten::std_mean")
def _var_mean(call: Call) -> Lowered:
    variance, mean = _variance(call, _input(call), keep=_keep(call))
    return (call.builder.map("sqrt", variance) if call.name == "aten::std_mean" else variance), mean


@lowers("aten::linalg_vector_norm", "aten::norm", "aten::native_norm")
def _norm(call: Call) -> Lowered:
    """(Σ|x|^p)^(1/p); p = 1, 2 and ∞ without powers."""
    b, given = call.builder, call.tensor("self")
    x = cast(b, b.map("abs", given), call.dtype) if given.dtype.startswith("complex") else _input(call)
    order = call.get("ord", call.get("p", 2))
    order = 2.0 if order is None else float(order)
    axes, keep = axes_of(call, x), _keep(call)
    if order in (float("inf"), float("-inf")):
        return _copied(call, x, b.reduce("max" if order > 0 else "min", b.map("abs", x), axes, keep=keep))
    if order == 0:
        nonzero = cast(b, b.map("not_equal", x, 0.0), call.dtype)
        return b.reduce("sum", nonzero, axes, keep=keep)
    magnitude = x if order % 2 == 0 else b.map("abs", x)
    total = b.reduce("sum", power(call, magnitude, order) if order != 1 else magnitude, axes, keep=keep)
    return total if order == 1 else power(call, total, 1 / order)


@lowers("aten::linalg__powsum")
def _power_sum(call: Call) -> Lowered:
    """Σ|x|^p."""
    b, x = call.builder, _input(call)
    order = float(call.get("ord", 2))
    magnitude = x if order % 2 == 0 else b.map("abs", x)
    return b.reduce("sum", power(call, magnitude, order), axes_of(call, x), keep=_keep(call))


@lowers("aten::aminmax", "aten::_aminmax")
def _both_extremes(call: Call) -> Lowered:
    b, x, dim = call.builder, call.tensor("self"), call.get("dim")
    axes = list(range(x.rank)) if dim is None else [dim % max(x.rank, 1)][: x.rank]
    return [_copied(call, x, b.reduce(kind, x, axes, keep=_keep(call))) for kind in ("min", "max")]


@lowers("aten::logsumexp")
def _logsumexp(call: Call) -> Tensor:
    """Log Σ exp(x − max) + max."""
    b, x = call.builder, _input(call)
    axes, keep = axes_of(call, x), _keep(call)
    largest = b.reduce("max", x, axes, keep=True)
    total = b.map("log", b.reduce("sum", b.map("exp", b.map("sub", x, largest)), axes, keep=keep))
    return b.map("add", total, b.reshape(largest, total.shape))


@lowers("aten::cumsum", "aten::cumprod", "aten::logcumsumexp", "aten::_logcumsumexp")
def _scan(call: Call) -> Lowered:
    x = _input(call)
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
