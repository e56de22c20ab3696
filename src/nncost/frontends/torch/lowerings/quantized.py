"""Quantized layers, the steps into and out of eight bits, and training for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.operands import algorithm, cast, closed_form, moved, tensor_as, tensors_of
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation
from nncost.ir.library.conv import conv, conv_transpose
from nncost.ir.library.products import matmul
from nncost.ir.library.quantization import (
    EIGHT_BITS,
    dequantize,
    fake_quantize,
    observed_steps,
    quantize,
    rescale,
)
from nncost.ir.library.recurrent import CELLS, CellWeights
from nncost.ir.library.recurrent_network import recurrent_network


def _packed(b: Builder, *shape: Dim, dtype: str = "float32") -> Tensor:
    """A packed tensor as an input of the kernel."""
    return b.input(shape, dtype=dtype)


def _is_ranged(call: Call) -> bool:
    """Whether the range is found while the layer runs."""
    return "dynamic" in call.name


def _unpacked(packed: Any) -> tuple[Any, Any]:
    """The weight and the bias of a packed object."""
    weight, bias = packed.unpack() if hasattr(packed, "unpack") else packed.__getstate__()[:2]
    return weight, bias


def _has_bias(packed: Any) -> bool:
    try:
        return _unpacked(packed)[1] is not None
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return True


def _finished(call: Call, y: Tensor, *, bias: bool, channels: int = -1) -> Tensor:
    """Numbers with their bias along the axis ``channels`` and, if the operator says so, a ReLU."""
    b = call.builder
    if bias:
        axis = channels % y.rank
        shape = (y.shape[axis], *(1,) * (y.rank - 1 - axis))
        y = b.map("add", y, b.reshape(_packed(b, y.shape[axis]), shape))
    if "relu" in call.name:
        y = activation(b, "relu", y)
    return cast(b, y, call.dtype)


# -------------------------------------------------------------------- products
@lowers(*(f"quantized::linear{name}" for name in (
    "", "_relu", "_dynamic", "_relu_dynamic", "_leaky_relu", "_tanh", "_with_input_q_dq_qweight_dq_output_fp32",
    "_with_input_q_dq_qweight_dq_relu_output_fp32",
)))  # fmt: skip
def _linear(call: Call) -> Tensor:
    """``(…, K)`` by a packed ``(N, K)``."""
    b, x = call.builder, call.tensor("X")
    shape = call.shape
    rows = b.reshape(quantize(b, x, ranged=_is_ranged(call)), (product(x.shape[:-1]), x.shape[-1]))
    y = rescale(b, b.contract("mk,nk->mn", rows, _packed(b, shape[-1], x.shape[-1], dtype=EIGHT_BITS)))
    return b.reshape(_finished(call, y, bias=_has_bias(call.get("W_prepack"))), shape)


@lowers("quantized::linear_dynamic_fp16", "quantized::linear_relu_dynamic_fp16",
        "quantized::linear_dynamic_fp16_unpacked_weight")  # fmt: skip
def _half_linear(call: Call) -> Tensor:
    """Weights of sixteen bits, products of floats."""
    b, x = call.builder, call.tensor("X")
    shape = call.shape
    weight = cast(b, _packed(b, shape[-1], x.shape[-1], dtype="float16"), x.dtype)
    y = b.contract("mk,nk->mn", b.reshape(x, (product(x.shape[:-1]), x.shape[-1])), weight)
    return b.reshape(_finished(call, y, bias=_has_bias(call.get("W_prepack"))), shape)


def _convolution(call: Call) -> Tensor:
    """A convolution, perhaps transposed, with its packed weight, stride, padding and groups."""
    b, (x, *_) = call.builder, tensors_of(call)
    packed = call["packed_weight"] if "packed_weight" in call.arguments else call["weight"]
    weight, bias = _unpacked(packed)
    held = _packed(b, *weight.shape, dtype=EIGHT_BITS)

    def settings(name: str) -> list[int]:
        return [int(n) for n in getattr(packed, name)()][2 - held.rank :]

    stride, dilation, groups = settings("stride"), settings("dilation"), int(packed.groups())
    padding = [(n, n) for n in settings("padding")]
    x = quantize(b, x, ranged=_is_ranged(call))
    if "transpose" in call.name:
        y = conv_transpose(
            b, x, held, stride=stride, padding=padding, dilation=dilation, groups=groups,
            output_padding=settings("output_padding"),
        )  # fmt: skip
    else:
        y = conv(b, x, held, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _finished(call, rescale(b, y), bias=bias is not None, channels=1)


for _dims in "123":
    lowers(*(f"quantized::conv{_dims}d{kind}" for kind in ("", "_relu", "_dynamic", "_add", "_add_relu")))(_convolution)
    lowers(*(f"quantized::conv_transpose{_dims}d{kind}" for kind in ("", "_dynamic")))(_convolution)


@lowers("quantized::matmul")
def _matmul(call: Call) -> Tensor:
    b = call.builder
    y = rescale(b, matmul(b, call.tensor("qa"), call.tensor("qb")))
    return cast(b, quantize(b, y), call.dtype)


# -------------------------------------------------------------------- out of eight bits, an operator, back into them
def _pairwise(function: str) -> Lowering:
    """Both in numbers, the operation, back in eight bits."""

    def lower(call: Call) -> Tensor:
        b = call.builder
        pair = [call[name] for name in ("qa", "qb", "a", "b") if name in call.arguments][:2]
        y = b.map(function, *(dequantize(b, x) if isinstance(x, Tensor) else float(x) for x in pair))
        return cast(b, quantize(b, y), call.dtype)

    return lower


for _function in ("add", "mul"):
    for _kind in ("", "_relu", "_out", "_scalar", "_relu_out", "_scalar_out", "_scalar_relu", "_scalar_relu_out"):
        lowers(f"quantized::{_function}{_kind}")(_pairwise(_function))

_THROUGH: Mapping[str, str] = {
    **{name: name for name in (
        "sigmoid", "celu", "elu", "hardswish", "leaky_relu", "relu6", "threshold", "softmax", "clamp", "prelu",
        "layer_norm", "group_norm", "max_pool1d", "max_pool2d",
    )},
    **{f"batch_norm{dims}{relu}": "batch_norm" for dims in ("", "1d", "2d", "3d") for relu in ("", "_relu")},
    "instance_norm": "group_norm",
}  # fmt: skip
"""The general operator of a quantized one."""
_RENAMED = {"mean": "running_mean", "var": "running_var"}


def _through(name: str, general: str) -> Lowering:
    first = "input" if "norm" in general else "self"

    def lower(call: Call) -> Tensor:
        b = call.builder
        given = {
            first if key in ("qx", "input", "self") else _RENAMED.get(key, key): x for key, x in call.arguments.items()
        }
        if name == "instance_norm":
            given["num_groups"] = given[first].shape[1]
        given[first] = dequantize(b, given[first])
        y = tensor_as(call, general, given, [(call.shape, "float32")])
        y = b.map("relu", y) if name.endswith("_relu") else y
        return cast(b, quantize(b, y), call.dtype)

    return lower


for _name, _general in _THROUGH.items():
    lowers(f"quantized::{_name}")(_through(_name, _general))


# -------------------------------------------------------------------- the steps themselves
@lowers("aten::quantize_per_tensor", "aten::quantize_per_tensor_dynamic", "aten::quantize_per_channel")
def _quantize(call: Call) -> Lowered:
    return cast(call.builder, quantize(call.builder, tensors_of(call)[0], ranged=_is_ranged(call)), call.dtype)


@lowers("aten::dequantize")
def _dequantize(call: Call) -> Tensor:
    return dequantize(call.builder, call.tensor("self"), call.dtype)


lowers("aten::_choose_qparams_per_tensor", "aten::choose_qparams_optimized")(
    closed_form(lambda call: {"cmp": 2 * (tensors_of(call)[0].elements - 1)})
)


@lowers("aten::quantized_batch_norm")
def _batch_norm(call: Call) -> Lowered:
    """1 mul and 1 add per element, with factors prepared per channel."""
    amount = call.tensor("input").elements
    return algorithm(call, {"mul": amount, "add": amount})


# -------------------------------------------------------------------- recurrent layers
def _recurrent(kind: str) -> Lowering:
    """Layers and directions with packed cells, each as the cell repeated; sequences that are packed too are refused."""

    def lower(call: Call) -> Lowered:
        b, x = call.builder, call["input"]
        hidden = (call["hx"][0] if kind == "lstm" else call.tensor("hx")).shape[-1]
        rows, directions = CELLS[kind].gates * hidden, 2 if call["bidirectional"] else 1

        def cell(width: Dim) -> CellWeights:
            biases = [_packed(b, rows) for _ in range(2)] if call["has_biases"] else []
            return CellWeights(_packed(b, rows, width), _packed(b, rows, hidden), *biases)

        widths = [x.shape[-1], *[directions * hidden] * (call["num_layers"] - 1)]
        layers = [[cell(width) for _ in range(directions)] for width in widths]
        return (
            recurrent_network(b, kind, x, layers, batch_first=call["batch_first"]),
            *(None for _ in call.outputs[1:]),
        )

    return lower


lowers("aten::quantized_lstm")(_recurrent("lstm"))
lowers("aten::quantized_gru")(_recurrent("gru"))


def _cell(kind: str) -> Lowering:
    """Both products with packed weights, then the cell."""

    def lower(call: Call) -> Lowered:
        b = call.builder
        state = list(call["hx"]) if isinstance(call["hx"], tuple) else [call["hx"]]
        sides = []
        for given in (call.tensor("input"), state[0]):
            weight = _packed(b, CELLS[kind].gates * state[0].shape[-1], given.shape[-1], dtype=EIGHT_BITS)
            y = rescale(b, b.contract("bk,gk->bg", quantize(b, given, ranged=True), weight))
            sides.append(b.map("add", y, _packed(b, y.shape[-1])))
        return CELLS[kind].step(b, sides[0], sides[1], state)

    return lower


for _name, _kind in (("lstm", "lstm"), ("gru", "gru"), ("rnn_tanh", "rnn"), ("rnn_relu", "rnn")):
    lowers(f"quantized::quantized_{_name}_cell_dynamic")(_cell(_kind))


# -------------------------------------------------------------------- rows looked up, tensors packed
def _rows(added: int, *, estimated: bool) -> Lowering:
    """Rows looked up, each value times its row's step, plus its row's least: 1 mul, 1 add; in bags 1 add more."""

    def lower(call: Call) -> Lowered:
        indices = call.tensor("indices")
        amount = indices.elements * call.shape[-1] if estimated else call.elements
        return algorithm(call, {"mul": amount, "add": added * amount}, estimated=estimated, reads=[indices])

    return lower


_BITS = ("byte", "4bit", "2bit")
lowers("quantized::embedding_byte", "quantized::embedding_4bit")(_rows(1, estimated=False))
for _more in ("", "_rowwise_offsets"):
    lowers(*(f"quantized::embedding_bag_{bits}{_more}" for bits in _BITS))(_rows(2, estimated=True))
for _what in ("prepack", "unpack", "prepack_with_rowwise_min_max"):
    lowers(*(f"quantized::embedding_bag_{bits}_{_what}" for bits in _BITS))(moved)
_MOVED = "cat cat_out dropout linear_prepack_legacy linear_prepack_fp16_legacy linear_unpack linear_unpack_fp16"
lowers(*(f"quantized::{name}" for name in _MOVED.split()))(moved)
lowers("quantized::cat_relu", "quantized::cat_relu_out")(
    closed_form(lambda call: {"int_ops": call.elements if call.outputs else 0})
)


# -------------------------------------------------------------------- training for eight bits
def _spread(b: Builder, value: Any, x: Tensor, axis: int | None) -> Any:
    """A step or a zero point: one number, or one per channel."""
    if not isinstance(value, Tensor):
        return float(value)
    typed = cast(b, value, x.dtype)
    if axis is None or value.rank == 0:
        return b.reshape(typed, ())
    return b.reshape(typed, tuple(value.shape[0] if other == axis else 1 for other in range(x.rank)))


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
    step, zero = (_spread(b, call[name], x, call.get("axis")) for name in ("scale", "zero_point"))
    return fake_quantize(b, x, step, zero, _bounds(call))[: len(call.outputs)]


@lowers("aten::_fake_quantize_learnable_per_tensor_affine_backward",
        "aten::_fake_quantize_learnable_per_channel_affine_backward")  # fmt: skip
def _learnable_backward(call: Call) -> Lowered:
    """The gradient of what was not clipped, and sums for step and zero point."""
    n = call.tensor("self").elements
    return algorithm(call, {"div": n, "mul": 4 * n, "add": 5 * n, "cmp": 4 * n}, estimated=True)


@lowers("aten::_fused_moving_avg_obs_fq_helper", "aten::_fused_moving_avg_obs_fq_helper_functional")
def _observed(call: Call) -> Lowered:
    """The range of this batch (2·(n−1) cmp), its running average, a step from it, and the rounding."""
    b, x = call.builder, call.tensor("self")
    ranges = [cast(b, call.tensor(name), x.dtype) for name in ("running_min", "running_max")]
    low, high = (b.reduce("max", old, range(old.rank)) for old in ranges)
    step, zero = observed_steps(b, x, low, high, float(call.get("averaging_const", 0.01)), _bounds(call))
    return (*fake_quantize(b, x, step, zero, _bounds(call)), *(None for _ in call.outputs[2:]))
