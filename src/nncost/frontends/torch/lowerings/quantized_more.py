"""Quantized layers beside products: out of eight bits, the general operator, back into eight bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nncost.frontends.torch.lowerings.operands import algorithm, cast
from nncost.frontends.torch.lowerings.quantized import numbers, quantized, stored, unpacked
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowering_for, lowers
from nncost.ir.graph import Tensor
from nncost.ir.library.conv import conv_transpose
from nncost.ir.library.recurrent import CELLS

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
    return algorithm(call, {"mul": amount, "add": 2 * amount}, note="estimated", reads=[call.tensor("indices")])[0]


@lowers("quantized::quantized_lstm_cell_dynamic", "quantized::quantized_gru_cell_dynamic",
        "quantized::quantized_rnn_tanh_cell_dynamic", "quantized::quantized_rnn_relu_cell_dynamic")  # fmt: skip
def _cell(call: Call) -> Lowered:
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
