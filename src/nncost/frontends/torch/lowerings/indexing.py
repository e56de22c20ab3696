"""Taking and putting elements by index, sorting, and operators on lists of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nncost.dims import Shape, ceil_log2, product
from nncost.frontends.torch.lowerings.operands import algorithm, cast, tensor_as
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::index_select")
def _index_select(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Gather(call["dim"] % max(x.rank, 1)), x, call.tensor("index"))


@lowers("aten::gather")
def _gather(call: Call) -> Lowered:
    x, index = call.tensor("self"), call.tensor("index")
    return call.builder.emit(ops.Gather(call["dim"] % max(x.rank, 1), along=True), x, index)


@lowers("aten::index", "aten::_unsafe_index", "aten::_unsafe_masked_index")
def _index(call: Call) -> Tensor:
    """Elements at the indices that tensors name; computing addresses is free."""
    b, x = call.builder, call.tensor("self")
    shape, dtype = call.outputs[0]
    indices = [index for index in call["indices"] if index is not None]
    if len(indices) == 1 and indices[0].dtype not in ("bool", "uint8"):
        axis = next(axis for axis, index in enumerate(call["indices"]) if index is not None)
        return b.emit(ops.Gather(axis), x, indices[0])
    if None not in call["indices"][: len(indices)] and all(index.dtype not in ("bool", "uint8") for index in indices):
        sizes = x.shape[: len(indices)]
        rows = b.reshape(x, (product(sizes), *x.shape[len(indices) :]))
        found = shape[: len(shape) - x.rank + len(indices)]
        taken = b.emit(ops.Gather(0), rows, _row(b, sizes, indices, found))
    else:
        address = b.emit(ops.Algorithm("places", ((shape, "int64"),), {}), *indices)
        taken = b.emit(ops.Gather(0), b.reshape(x, (x.elements,)), address)
    return b.reshape(cast(b, taken, dtype), shape)


def _row(b: Builder, sizes: Shape, indices: Sequence[Tensor], shape: Shape) -> Tensor:
    """Which row of the flattened leading axes the indices name: looked up in a table of all rows, axis by axis."""
    row = b.emit(ops.Constant("iota", sizes, "int64"))
    for axis, index in enumerate(indices):
        flat = b.reshape(b.broadcast(index, shape), (product(shape),))
        if axis == 0:
            row = b.emit(ops.Gather(0), row, flat)
            continue
        rest = row.shape[2:]
        flat = b.broadcast(b.reshape(flat, (product(shape), *(1,) * (row.rank - 1))), (product(shape), 1, *rest))
        row = b.reshape(b.emit(ops.Gather(1, along=True), row, flat), (product(shape), *rest))
    return row


_BY_REDUCTION = {"prod": "mul", "multiply": "mul", "amax": "cmp", "amin": "cmp"}
"""The operation of a value and the element that is there; any other reduction adds them."""


@lowers(
    "aten::index_put", "aten::_unsafe_index_put", "aten::_index_put_impl", "aten::index_copy", "aten::index_fill",
    "aten::masked_scatter", "aten::put", "aten::index_add", "aten::index_reduce",
)  # fmt: skip
def _put(call: Call) -> Tensor:
    """Values put at indices; with ``accumulate`` each takes one operation with the element that is there."""
    x, values = call.tensor("self"), call.get("values", call.get("source", call.get("value")))
    meets = bool(call.get("accumulate", False)) or call.name in ("aten::index_add", "aten::index_reduce")
    if not meets or not isinstance(values, Tensor):
        return algorithm(call, {}, name="put")[0]
    index = _first_index(call)
    rows = 1 if index is None else index.elements
    amount = max(values.elements, rows if values.rank == 0 or index is None else 0)
    counts = {_BY_REDUCTION.get(call.get("reduce", "sum"), "add"): amount}
    if call.get("alpha", 1) not in (1, None):
        counts["mul"] = amount
    return algorithm(call, counts, name="put", reads=[x, values, *([index] if index is not None else [])])[0]


def _first_index(call: Call) -> Tensor | None:
    given = call.get("indices", call.get("index"))
    if isinstance(given, Tensor):
        return given
    return next((index for index in given or () if index is not None), None)


@lowers("aten::scatter_add", "aten::scatter", "aten::scatter_reduce")
def _scatter(call: Call) -> Tensor:
    """Values put (or, in an adding form, added: one add each) at the indices an index names."""
    if call.name == "aten::scatter" and call.get("reduce") is None:
        return algorithm(call, {}, name="scatter")[0]
    quantity = _BY_REDUCTION.get(call.get("reduce", "sum"), "add")
    return algorithm(call, {quantity: call.tensor("index").elements}, name="scatter")[0]


def _axis(call: Call, x: Tensor) -> int:
    default = 0 if call.name == "aten::msort" else -1
    return int(call.get("dim", default)) % max(x.rank, 1)


@lowers("aten::sort", "aten::topk", "aten::msort", "aten::argsort")
def _sort(call: Call) -> Lowered:
    """Sorted along an axis; the largest are at the end, the first k of it are a piece."""
    b, x = call.builder, call.tensor("self")
    if x.rank == 0:
        return b.map("identity", x), b.full((), 0, "int64")
    axis = _axis(call, x)
    values, indices = b.emit_many(ops.Sort(axis), x)
    if call.get("descending", call.name == "aten::topk" and call.get("largest", True)):
        values, indices = b.emit(ops.Flip((axis,)), values), b.emit(ops.Flip((axis,)), indices)
    if call.name == "aten::topk" and call["k"] != x.shape[axis]:
        sizes = (call["k"], x.shape[axis] - call["k"])
        values, _ = b.emit_many(ops.Split(axis, sizes), values)
        indices, _ = b.emit_many(ops.Split(axis, sizes), indices)
    if call.name == "aten::argsort":
        return indices
    return (values, indices) if len(call.outputs) > 1 else values


@lowers("aten::kthvalue", "aten::median", "aten::nanmedian")
def _kth(call: Call) -> Lowered:
    """One element of the sorted axis; the lower one of two medians."""
    b, x = call.builder, call.tensor("self")
    if "dim" not in call.arguments and call.name != "aten::kthvalue":
        x = b.reshape(x, (x.elements,))
    axis = _axis(call, x)
    size = x.shape[axis]
    position = call["k"] - 1 if call.name == "aten::kthvalue" else (size - 1) // 2
    found = []
    for sorted_ in b.emit_many(ops.Sort(axis), x):
        pieces = b.emit_many(ops.Split(axis, (position, 1, size - position - 1)), sorted_)
        found.append(b.reshape(pieces[1], call.shape))
    return found if len(call.outputs) > 1 else found[0]


@lowers("aten::mode")
def _mode(call: Call) -> Lowered:
    """Sorted, then equal neighbours are counted: 1 cmp each."""
    x = call.tensor("self")
    axis = _axis(call, x)
    return algorithm(call, {"cmp": x.elements * (ceil_log2(x.shape[axis]) + 1)}, estimated=True)


_SAME = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round"
    " rsqrt sigmoid sign sin sinh sqrt tan tanh trunc zero add sub mul div maximum minimum pow lerp addcdiv addcmul"
    " copy max clone mm"
)
_SINGLE: Mapping[str, str] = {
    **{name: name for name in _SAME.split()},
    "clamp_max": "minimum", "clamp_min": "maximum", "norm": "linalg_vector_norm", "powsum": "linalg__powsum",
}  # fmt: skip
"""What one tensor of ``_foreach_x`` goes through."""
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "lerp": {"tensors1": "end", "weights": "weight"},
    "addcdiv": {"scalars": "value"},
    "addcmul": {"scalars": "value"},
    "mm": {"other": "mat2"},
    "pow": {"exponent": "exponent"},
}
"""Arguments whose name in the list form is another; everywhere else a number is ``other``."""


def _arguments(call: Call, base: str, position: int, count: int) -> dict[str, Any]:
    """The arguments of one tensor: its share of each list, and whatever stands for all."""
    names = _RENAMED.get(base, {"scalar": "other", "scalars": "other"})
    found: dict[str, Any] = {}
    for name, value in call.arguments.items():
        own = value[position] if isinstance(value, tuple) and len(value) == count else value
        found[names.get(name, name)] = own
    return found


def _listed(base: str, single: str) -> Any:
    def lower(call: Call) -> Lowered:
        lists = [value for value in call.arguments.values() if isinstance(value, tuple)]
        count = len(lists[0]) if lists else 0
        results: list[Tensor | None] = []
        for position in range(count):
            arguments = _arguments(call, base, position, count)
            tensor = next(value for value in arguments.values() if isinstance(value, Tensor))
            like = call.outputs[position] if position < len(call.outputs) else (tensor.shape, tensor.dtype)
            results.append(tensor_as(call, single, arguments, [like]))
        return results

    return lower


for _base, _single in _SINGLE.items():
    lowers(f"aten::_foreach_{_base}")(_listed(_base, _single))


@lowers("aten::_amp_foreach_non_finite_check_and_unscale")
def _unscaled(call: Call) -> Lowered:
    """Each gradient is compared with infinity and multiplied by the inverse scale."""
    b = call.builder
    found: list[Tensor | None] = []
    for tensor in call["self"]:
        b.map("not_equal", tensor, tensor)
        found.append(b.map("mul", tensor, b.reshape(call.tensor("inv_scale"), ())))
    return found


@lowers("aten::_amp_update_scale")
def _scale_updated(call: Call) -> Lowered:
    """The loss scale grows or shrinks: a number per step."""
    return algorithm(call, {"mul": 1})


@lowers("flex_lib::zeros_and_scatter")
def _zeros_and_scatter(call: Call) -> Lowered:
    """The gradient of what ``flex_attention`` takes by index: one addition per value."""
    return algorithm(call, {"add": call.tensor("vals").elements}, name="scatter")[0]
