"""Quantized layers, the steps into and out of eight bits, and training for them.

Into eight bits, each element takes 1 mul (by the inverse step), 1 add (the zero point) and 2 cmp; a
layer that finds its range while it runs, 2 cmp more. Each product of the contraction is a product,
and each result takes 1 mul by the steps' product. Corrections for zero points are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.operands import algorithm, cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.conv import conv, conv_transpose
from nncost.ir.library.recurrent import CELLS, CellWeights, recurrent

EIGHT_BITS = "int8"
LOW, HIGH = -128.0, 127.0


def stored(b: Builder, shape: tuple[Dim, ...], dtype: str = "float32") -> Tensor:
    """A packed tensor as an input of the kernel."""
    tensor = Tensor(shape, dtype)
    b.inputs.append(tensor)
    return tensor


def quantized(b: Builder, x: Tensor, *, ranged: bool) -> Tensor:
    """``x`` in eight bits; with ``ranged`` its extremes are found first."""
    if x.dtype == EIGHT_BITS or not x.dtype.startswith("float"):
        return x
    if ranged:
        b.reduce("max", x, range(x.rank))
        b.reduce("min", x, range(x.rank))
    steps = b.map("clip", b.map("round", b.map("add", b.map("mul", x, 1.0), 0.0)), LOW, HIGH)
    return cast(b, steps, EIGHT_BITS)


def numbers(b: Builder, x: Tensor) -> Tensor:
    """Out of eight bits: the zero point off, times the step."""
    return b.map("mul", b.map("add", cast(b, x, "float32"), 0.0), 1.0)


def _finished(call: Call, sums: Tensor, bias: bool) -> Tensor:
    """Eight-bit sums as numbers, with the bias and, where the operator says so, a ReLU."""
    b = call.builder
    y = b.map("mul", cast(b, sums, "float32"), 1.0)
    if bias:
        y = b.map("add", y, stored(b, (y.shape[-1],)))
    if "relu" in call.name:
        with b.region("relu", y, activations=y.elements) as region:
            region.returns(b.map("relu", y))
        y = region.outputs[0]
    return cast(b, y, call.dtype)


def unpacked(packed: Any) -> tuple[Any, Any]:
    """The weight and the bias of a packed object."""
    weight, bias = packed.unpack() if hasattr(packed, "unpack") else packed.__getstate__()[:2]
    return weight, bias


def _has_bias(packed: Any) -> bool:
    try:
        return unpacked(packed)[1] is not None
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return True


_LINEAR = (
    "linear_dynamic", "linear_relu_dynamic", "linear", "linear_relu", "linear_with_input_q_dq_qweight_dq_output_fp32",
    "linear_leaky_relu", "linear_tanh", "linear_with_input_q_dq_qweight_dq_relu_output_fp32",
)  # fmt: skip


@lowers(*(f"quantized::{name}" for name in _LINEAR))
def _linear(call: Call) -> Tensor:
    """``(…, K)`` by a packed ``(N, K)``."""
    b, x = call.builder, call.tensor("X")
    shape = call.outputs[0][0]
    rows = b.reshape(quantized(b, x, ranged="dynamic" in call.name), (product(x.shape[:-1]), x.shape[-1]))
    weight = stored(b, (shape[-1], x.shape[-1]), EIGHT_BITS)
    packed = call.get("W_prepack")
    y = _finished(call, b.contract("mk,nk->mn", rows, weight), _has_bias(packed))
    return b.reshape(y, shape)


@lowers(
    "quantized::linear_dynamic_fp16",
    "quantized::linear_relu_dynamic_fp16",
    "quantized::linear_dynamic_fp16_unpacked_weight",
)
def _half_linear(call: Call) -> Tensor:
    """Weights of sixteen bits, products of floats."""
    b, x = call.builder, call.tensor("X")
    shape = call.outputs[0][0]
    rows = b.reshape(x, (product(x.shape[:-1]), x.shape[-1]))
    weight = cast(b, stored(b, (shape[-1], x.shape[-1]), "float16"), x.dtype)
    y = b.contract("mk,nk->mn", rows, weight)
    if _has_bias(call.get("W_prepack")):
        y = b.map("add", y, stored(b, (y.shape[-1],)))
    return b.reshape(b.map("relu", y) if "relu" in call.name else y, shape)


def _convolution(call: Call) -> Tensor:
    """A convolution with its packed weight, stride, padding and groups."""
    b = call.builder
    x = call.tensor("qx" if "qx" in call.arguments else "x" if "x" in call.arguments else "input")
    packed = call["packed_weight"] if "packed_weight" in call.arguments else call["weight"]
    weight, bias = unpacked(packed)
    held = stored(b, tuple(weight.shape), EIGHT_BITS)
    dims = held.rank - 2
    sides = [(int(width), int(width)) for width in packed.padding()][-dims:]
    y = conv(
        b, quantized(b, x, ranged="dynamic" in call.name), held, stride=[int(s) for s in packed.stride()][-dims:],
        padding=sides, dilation=[int(d) for d in packed.dilation()][-dims:], groups=int(packed.groups()),
    )  # fmt: skip
    last = b.transpose(y, (0, *range(2, y.rank), 1))
    done = _finished(call, last, bias is not None)
    return b.transpose(done, (0, done.rank - 1, *range(1, done.rank - 1)))


for _dims in "123":
    for _kind in ("", "_relu", "_dynamic", "_add", "_add_relu"):
        lowers(f"quantized::conv{_dims}d{_kind}")(_convolution)


def _pairwise(function: str) -> Callable[[Call], Tensor]:
    """Both in numbers, the operation, back in eight bits."""

    def lower(call: Call) -> Tensor:
        b = call.builder
        names = [name for name in ("qa", "qb", "a", "b") if name in call.arguments]
        pair = [call[name] for name in names[:2]]
        operands = [numbers(b, x) if isinstance(x, Tensor) else b.constant(x) for x in pair]
        return cast(b, quantized(b, b.map(function, *operands), ranged=False), call.dtype)

    return lower


for _function in ("add", "mul"):
    for _kind in ("", "_relu", "_out", "_scalar", "_relu_out", "_scalar_out", "_scalar_relu", "_scalar_relu_out"):
        lowers(f"quantized::{_function}{_kind}")(_pairwise(_function))


@lowers("aten::quantize_per_tensor", "aten::quantize_per_tensor_dynamic", "aten::quantize_per_channel")
def _quantize(call: Call) -> Lowered:
    x = call["self"] if "self" in call.arguments else call["input"]
    return cast(call.builder, quantized(call.builder, x, ranged="dynamic" in call.name), call.dtype)


@lowers("aten::dequantize")
def _dequantize(call: Call) -> Tensor:
    """1 mul for each element; the zero point 1 add."""
    return elementwise(call, "mul", elementwise(call, "add", call["self"], 0.0), 1.0)


@lowers("aten::_choose_qparams_per_tensor", "aten::choose_qparams_optimized")
def _range(call: Call) -> Lowered:
    x = next(value for value in call.arguments.values() if isinstance(value, Tensor))
    return algorithm(call, {"cmp": 2 * (x.elements - 1)})


def _recurrent(kind: str) -> Callable[[Call], Lowered]:
    """Layers and directions with packed cells, each as the cell repeated; sequences that are packed too are refused."""
    gates, states = {"lstm": (4, 2), "gru": (3, 1)}[kind]

    def lower(call: Call) -> Lowered:
        b, x = call.builder, call["input"]
        hidden = call["hx"][0] if states > 1 else call.tensor("hx")
        directions = 2 if call["bidirectional"] else 1
        size = hidden.shape[-1]
        y = x if call["batch_first"] else b.transpose(x, (1, 0, 2))
        for _ in range(call["num_layers"]):
            cells = []
            for direction in range(directions):
                weights = _cell(b, gates * size, y.shape[-1], size, biased=call["has_biases"])
                out, _ = recurrent(b, kind, y, weights, reverse=direction == 1)
                cells.append(out)
            from nncost.ir import ops

            y = cells[0] if directions == 1 else b.emit(ops.Concat(2), *cells)
        whole = y if call["batch_first"] else b.transpose(y, (1, 0, 2))
        return (whole, *(None for _ in call.outputs[1:]))

    return lower


def _cell(b: Builder, rows: Dim, inputs: Dim, size: Dim, *, biased: bool) -> CellWeights:
    weights = [stored(b, (rows, width)) for width in (inputs, size)]
    return CellWeights(*weights, *([stored(b, (rows,)) for _ in range(2)] if biased else []))


lowers("aten::quantized_lstm")(_recurrent("lstm"))
lowers("aten::quantized_gru")(_recurrent("gru"))


_THROUGH: Mapping[str, str] = {
    **{name: name for name in (
        "sigmoid", "celu", "elu", "hardswish", "leaky_relu", "threshold", "softmax", "clamp", "prelu", "layer_norm",
        "group_norm", "batch_norm", "batch_norm1d", "batch_norm2d", "batch_norm3d",
    )},
    "relu6": "relu6", "batch_norm_relu": "batch_norm", "batch_norm1d_relu": "batch_norm", "batch_norm2d_relu": "batch_norm",
    "batch_norm3d_relu": "batch_norm", "max_pool1d": "max_pool1d", "max_pool2d": "max_pool2d",
}  # fmt: skip
_RENAMED = {"qx": "self", "mean": "running_mean", "var": "running_var"}


def _through(name: str, other: str) -> Callable[[Call], Tensor]:
    norm = "norm" in name

    def lower(call: Call) -> Tensor:
        b = call.builder
        given: dict[str, Any] = {}
        for key, value in call.arguments.items():
            first = key in ("qx", "input", "self")
            given["input" if norm and first else "self" if first else _RENAMED.get(key, key)] = value
        key = "input" if norm else "self"
        given[key] = numbers(b, given[key])
        lowering = lowering_for(f"aten::{other.rstrip('123d') if norm else other}", "")
        if lowering is None:
            raise NotImplementedError(other)
        outputs = ((call.outputs[0][0], "float32"),)
        made = lowering(Call(b, f"aten::{other}", "", given, outputs, call.parameters))
        y = made if isinstance(made, Tensor) else next(t for t in made or () if t is not None)
        y = b.map("relu", y) if name.endswith("_relu") else y
        return cast(b, quantized(b, y, ranged=False), call.dtype)

    return lower


for _name, _other in _THROUGH.items():
    lowers(f"quantized::{_name}")(_through(_name, _other))


@lowers("quantized::instance_norm")
def _instance_norm(call: Call) -> Tensor:
    """A group for each channel."""
    given = {**call.arguments, "num_groups": call.tensor("input").shape[1]}
    return _through("group_norm", "group_norm")(
        Call(call.builder, "quantized::group_norm", "", given, call.outputs, call.parameters)
    )


@lowers("quantized::matmul")
def _matmul(call: Call) -> Tensor:
    b, left, right = call.builder, call.tensor("qa"), call.tensor("qb")
    batch = "abcdefgh"[: left.rank - 2]
    y = b.map("mul", cast(b, b.contract(f"{batch}ij,{batch}jk->{batch}ik", left, right), "float32"), 1.0)
    return cast(b, quantized(b, y, ranged=False), call.dtype)


def _transposed(call: Call) -> Tensor:
    """A transposed convolution with its packed weight."""
    b, x, packed = call.builder, call.tensor("qx"), call["packed_weight"]
    weight, bias = unpacked(packed)
    held = stored(b, tuple(weight.shape), "int8")
    dims = held.rank - 2

    def settings(name: str) -> list[int]:
        return [int(n) for n in getattr(packed, name)()][-dims:]

    y = conv_transpose(
        b, quantized(b, x, ranged="dynamic" in call.name), held, stride=settings("stride"),
        padding=[(n, n) for n in settings("padding")], dilation=settings("dilation"),
        output_padding=settings("output_padding"), groups=int(packed.groups()),
    )  # fmt: skip
    y = b.map("mul", cast(b, y, "float32"), 1.0)
    if bias is not None:
        y = b.map("add", y, b.reshape(stored(b, (y.shape[1],)), (y.shape[1], *(1,) * dims)))
    return cast(b, y, call.dtype)


for _dims in "123":
    lowers(f"quantized::conv_transpose{_dims}d", f"quantized::conv_transpose{_dims}d_dynamic")(_transposed)


@lowers(*(f"quantized::embedding_{bits}" for bits in ("byte", "4bit")))
def _embedding(call: Call) -> Tensor:
    """Rows looked up, each value times its row's step, plus its row's least: 1 mul, 1 add."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"mul": amount, "add": amount}, reads=[call.tensor("indices")])[0]


@lowers(
    *(
        f"quantized::embedding_bag_{bits}{more}"
        for bits in ("byte", "4bit", "2bit")
        for more in ("", "_rowwise_offsets")
    )
)
def _bag(call: Call) -> Tensor:
    """As rows looked up, and one add for each value."""
    width = Tensor(*call.outputs[0]).shape[-1]
    amount = call.tensor("indices").elements * width
    return algorithm(call, {"mul": amount, "add": 2 * amount}, estimated=True, reads=[call.tensor("indices")])[0]


@lowers("quantized::quantized_lstm_cell_dynamic", "quantized::quantized_gru_cell_dynamic",
        "quantized::quantized_rnn_tanh_cell_dynamic", "quantized::quantized_rnn_relu_cell_dynamic")  # fmt: skip
def _single_cell(call: Call) -> Lowered:
    """Both products with packed weights, then the cell."""
    b, x = call.builder, call.tensor("input")
    state = list(call["hx"]) if isinstance(call["hx"], tuple) else [call["hx"]]
    kind = "lstm" if "lstm" in call.name else "gru" if "gru" in call.name else "rnn"
    size = state[0].shape[-1]
    sides = []
    for given in (x, state[0]):
        weight = stored(b, (CELLS[kind].gates * size, given.shape[-1]), "int8")
        y = b.map("mul", cast(b, b.contract("bk,gk->bg", quantized(b, given, ranged=True), weight), "float32"), 1.0)
        sides.append(b.map("add", y, stored(b, (y.shape[-1],))))
    new = CELLS[kind].step(b, sides[0], sides[1], state)
    return new if len(call.outputs) > 1 else new[0]


_MOVED = (
    "cat", "cat_out", "dropout", "linear_prepack_legacy", "linear_prepack_fp16_legacy", "linear_unpack", "linear_unpack_fp16",
    *(f"embedding_bag_{bits}_{what}" for bits in ("byte", "4bit", "2bit") for what in ("prepack", "unpack")),
    *(f"embedding_bag_{bits}_prepack_with_rowwise_min_max" for bits in ("byte", "4bit", "2bit")),
)  # fmt: skip


@lowers(*(f"quantized::{name}" for name in _MOVED))
def _moved(call: Call) -> Lowered:
    """Packed, unpacked, joined: no arithmetic that is counted."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) != 1 else outputs[0]


@lowers("quantized::cat_relu", "quantized::cat_relu_out")
def _cat_relu(call: Call) -> Lowered:
    amount = Tensor(*call.outputs[0]).elements if call.outputs else 0
    return algorithm(call, {"int_ops": amount})


def _spread(b: Builder, value: Any, x: Tensor, axis: int | None) -> Any:
    """A step or a zero point: one number, or one for each channel."""
    if not isinstance(value, Tensor):
        return float(value)
    typed = cast(b, value, x.dtype)
    if axis is None or value.rank == 0:
        return b.reshape(typed, ())
    return b.reshape(typed, tuple(value.shape[0] if place == axis else 1 for place in range(x.rank)))


def _rounded(b: Builder, x: Tensor, step: Any, zero: Any, bounds: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """((round(x/s + z) clipped) − z)·s: 1 div, 2 add, 2 cmp, 1 mul; and where nothing was clipped (2 cmp)."""
    places = b.map("round", b.map("add", b.map("div", x, step), zero))
    inside = b.map("and", b.map("greater_equal", places, bounds[0]), b.map("greater_equal", bounds[1], places))
    kept = b.map("clip", places, *bounds)
    return b.map("mul", b.map("sub", kept, zero), step), inside


def _bounds(call: Call) -> tuple[float, float]:
    names = ("quant_min", "quant_max") if "quant_min" in call.arguments else ("qmin", "qmax")
    return float(call[names[0]]), float(call[names[1]])


@lowers(
    "aten::fake_quantize_per_tensor_affine_cachemask", "aten::fake_quantize_per_channel_affine_cachemask",
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "aten::_fake_quantize_learnable_per_tensor_affine",
    "aten::_fake_quantize_learnable_per_channel_affine",
)  # fmt: skip
def _fake_quantize(call: Call) -> Lowered:
    b, x = call.builder, call.tensor("self")
    axis = call.get("axis")
    step, zero = (_spread(b, call[name], x, axis) for name in ("scale", "zero_point"))
    y, inside = _rounded(b, x, step, zero, _bounds(call))
    return (y, inside) if len(call.outputs) > 1 else y


@lowers("aten::_fake_quantize_learnable_per_tensor_affine_backward",
        "aten::_fake_quantize_learnable_per_channel_affine_backward")  # fmt: skip
def _learnable_backward(call: Call) -> Lowered:
    """The gradient where nothing was clipped, and sums for step and zero point."""
    x = call.tensor("self")
    counts = {"div": x.elements, "mul": 4 * x.elements, "add": 5 * x.elements, "cmp": 4 * x.elements}
    return algorithm(call, counts, estimated=True)


@lowers("aten::_fused_moving_avg_obs_fq_helper", "aten::_fused_moving_avg_obs_fq_helper_functional")
def _observed(call: Call) -> Lowered:
    """The range of this batch (2·(n−1) cmp), its running average, a step from it, and the rounding."""
    b, x = call.builder, call.tensor("self")
    low, high = (b.reduce(kind, x, range(x.rank)) for kind in ("min", "max"))
    share = float(call.get("averaging_const", 0.01))
    averages = []
    for name, fresh in (("running_min", low), ("running_max", high)):
        old = b.reduce("max", cast(b, call.tensor(name), x.dtype), range(call.tensor(name).rank))
        averages.append(b.map("add", old, b.map("mul", share, b.map("sub", fresh, old))))
    bounds = float(call["quant_min"]), float(call["quant_max"])
    step = b.map("div", b.map("sub", averages[1], averages[0]), bounds[1] - bounds[0])
    zero = b.map("sub", bounds[0], b.map("round", b.map("div", averages[0], step)))
    y, inside = _rounded(b, x, step, zero, bounds)
    return (y, inside, *(None for _ in call.outputs[2:]))


@lowers("aten::quantized_batch_norm")
def _batch_norm(call: Call) -> Lowered:
    """1 mul and 1 add for each element, with factors prepared for each channel."""
    return elementwise(call, "add", elementwise(call, "mul", call["input"], 1.0), 0.0)
