"""Quantized layers: eight-bit products, and the steps into and out of eight bits.

Into eight bits, each element takes 1 mul (by the inverse step), 1 add (the zero point) and 2 cmp; a
layer that finds its range while it runs, 2 cmp more. Each product of the contraction is a product,
and each result takes 1 mul by the steps' product. Corrections for zero points are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import Dim, product
from nncost.frontends.torch.lowerings.operands import algorithm, cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.activations import activation
from nncost.ir.library.conv import conv
from nncost.ir.library.recurrent import CellWeights, recurrent

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
        y = activation(b, "relu", y)
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
