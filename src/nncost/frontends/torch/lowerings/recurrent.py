"""Fused recurrent layers, single cells and whole encoder layers."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import norm
from nncost.ir.library.activations import activation, softmax
from nncost.ir.library.dense import dense
from nncost.ir.library.recurrent import CELLS, CellWeights, recurrent
from nncost.ir.library.sequence import attention, merge_heads, split_heads


def _layer(b: Builder, call: Call, x: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor]) -> list[Tensor]:
    """One layer in one direction, ``(T, B, F) → (T, B, H)``, and its final states."""
    whole = CellWeights(*weights) if call["has_biases"] else CellWeights(*weights[:2])
    by_batch = b.transpose(x, (1, 0, 2))
    y, finals = recurrent(b, "lstm", by_batch, whole, reverse=bool(call["reverse"]), initial=states)
    return [b.transpose(y, (1, 0, 2)), *finals]


def _states(call: Call) -> list[Tensor]:
    """(1, B, H) as (B, H)."""
    cell = call.arguments.get("cx_", call.arguments.get("cx_tmp"))
    assert isinstance(cell, Tensor)
    return [call.builder.reshape(x, tuple(x.shape[-2:])) for x in (call.tensor("hx_"), cell)]


@lowers("aten::mkldnn_rnn_layer")
def _onednn_layer(call: Call) -> Lowered:
    weights = [call.tensor(f"weight{number}") for number in range(4)]
    y, hidden, cell = _layer(call.builder, call, call.tensor("input"), weights, _states(call))
    b = call.builder
    return y, b.reshape(hidden, call.outputs[1][0]), b.reshape(cell, call.outputs[2][0]), None


@lowers("aten::mkldnn_rnn_layer_backward")
def _onednn_layer_backward(call: Call) -> Lowered:
    """Gradients of the input and the states only where they lead to something that is trained."""
    b, x = call.builder, call.tensor("input")
    weights = [call.tensor(f"weight{number}") for number in range(1, 5)]
    asked = call.get("asked", (True,) * 7)
    seeds = []
    for name in ("grad_output", "grad_hy", "grad_cy"):
        g = call.get(name)
        if g is not None and name != "grad_output":
            g = b.reshape(g, tuple(g.shape[-2:]))
        seeds.append(g)

    def forward(past: Builder, x: Tensor, *rest: Tensor) -> list[Tensor]:
        return _layer(past, call, x, rest[:4], rest[4:])

    found = gradient(b, forward, (x, *weights, *_states(call)), seeds, asked[:7])
    with b.at(b.path, "backward"):
        return [g if g is None else b.reshape(g, output[0]) for g, output in zip(found, call.outputs, strict=True)]


_MODES = {1: "rnn", 2: "lstm", 3: "gru"}
"""cuDNN's numbers for the cell; a cell with ReLU (0) is refused."""


def _device_weights(call: Call) -> list[Tensor]:
    given = call["weight"] if "weight" in call.arguments else call["weights"]
    return list(given)


def _network(call: Call, b: Builder, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """All layers: weights stand by layer and direction, two or (with biases) four for each."""
    kind = _MODES[call.get("mode", 2)]
    directions = 2 if call.get("bidirectional", False) else 1
    each = len(weights) // (call["num_layers"] * directions)
    y = x if call.get("batch_first", False) else b.transpose(x, (1, 0, 2))
    for layer in range(call["num_layers"]):
        sides = []
        for direction in range(directions):
            start = (layer * directions + direction) * each
            out, _ = recurrent(b, kind, y, CellWeights(*weights[start : start + each]), reverse=direction == 1)
            sides.append(out)
        y = sides[0] if directions == 1 else b.emit(ops.Concat(2), *sides)
    return y if call.get("batch_first", False) else b.transpose(y, (1, 0, 2))


@lowers("aten::_cudnn_rnn", "aten::miopen_rnn", "aten::_lstm_mps")
def _device_rnn(call: Call) -> Lowered:
    if call.get("batch_sizes") or call.get("proj_size", 0):
        raise NotImplementedError
    y = _network(call, call.builder, call.tensor("input"), _device_weights(call))
    return (y, *(None for _ in call.outputs[1:]))


@lowers("aten::_cudnn_rnn_backward", "aten::miopen_rnn_backward")
def _device_rnn_backward(call: Call) -> Lowered:
    """The gradients of the input and of every weight, where the mask asks for them; states start from zeros."""
    if call.get("batch_sizes") or call.get("proj_size", 0):
        raise NotImplementedError
    mask = [bool(flag) for flag in call.get("output_mask", (True,) * 4)]
    weights = _device_weights(call)

    def forward(past: Builder, x: Tensor, *given: Tensor) -> Tensor:
        return _network(call, past, x, given)

    wanted = [mask[0], *[mask[3]] * len(weights)]
    found = gradient(call.builder, forward, (call.tensor("input"), *weights), call.tensor("grad_output"), wanted)
    return (found[0], None, None, *found[1:])


def _biased(call: Call) -> tuple[Tensor, Tensor]:
    """The gates from the input and from the state, with their biases."""
    pair = []
    for gates, bias in (("input_gates", "input_bias"), ("hidden_gates", "hidden_bias")):
        x, given = call.tensor(gates), call.get(bias)
        pair.append(x if given is None else call.builder.map("add", x, given))
    return pair[0], pair[1]


@lowers("aten::_thnn_fused_lstm_cell")
def _lstm(call: Call) -> Lowered:
    cell = call.tensor("cx")
    hidden, new = CELLS["lstm"].step(call.builder, *_biased(call), [cell, cell])
    return hidden, new, None


@lowers("aten::_thnn_fused_gru_cell")
def _gru(call: Call) -> Lowered:
    return CELLS["gru"].step(call.builder, *_biased(call), [call.tensor("hx")])[0], None


@lowers("aten::_thnn_fused_lstm_cell_backward_impl", "aten::_thnn_fused_lstm_cell_backward")
def _lstm_backward(call: Call) -> Lowered:
    """Of the gates, the cell and (once for both) the bias, from what the forward left in the workspace."""
    b, cell = call.builder, call.tensor("cx")
    gates = Tensor((*cell.shape[:-1], 4 * cell.shape[-1]), cell.dtype)
    b.inputs.append(gates)

    def forward(past: Builder, gates: Tensor, cell: Tensor) -> Sequence[Tensor]:
        none = past.emit(ops.Constant("fill", gates.shape, gates.dtype, 0.0))
        return CELLS["lstm"].step(past, gates, none, [cell, cell])

    found = gradient(b, forward, (gates, cell), [call.get("grad_hy"), call.get("grad_cy")], (True, True))
    if call.get("has_bias", True) and found[0] is not None:
        with b.at(b.path, "backward"):
            return (*found, b.reduce("sum", found[0], range(cell.rank - 1)))
    return (*found, None)


@lowers("aten::_thnn_fused_gru_cell_backward")
def _gru_backward(call: Call) -> Lowered:
    """Of both gates, the state and both biases."""
    b, g = call.builder, call.tensor("grad_hy")
    shape: tuple[Dim, ...] = (*g.shape[:-1], 3 * g.shape[-1])
    given = Tensor(shape, g.dtype), Tensor(shape, g.dtype), Tensor(g.shape, g.dtype)
    b.inputs += given

    def forward(past: Builder, x: Tensor, h: Tensor, state: Tensor) -> Sequence[Tensor]:
        return CELLS["gru"].step(past, x, h, [state])

    found = gradient(b, forward, given, g, (True, True, True))
    if not call.get("has_bias", True):
        return (*found, None, None)
    with b.at(b.path, "backward"):
        return (*found, *(b.reduce("sum", x, range(g.rank - 1)) for x in found[:2] if x is not None))


@lowers("aten::_masked_softmax")
def _masked_softmax(call: Call) -> Tensor:
    """Masked scores are replaced (1 cmp), then softmax."""
    b, x, mask = call.builder, call.tensor("self"), call.tensor("mask")
    rows = cast(b, mask, "bool")
    if rows.rank == 2 and x.rank == 4:
        middle = (rows.shape[0], 1, 1) if rows.shape[0] != x.shape[2] else (1, 1, rows.shape[0])
        rows = b.reshape(rows, (*middle, rows.shape[1]))
    return softmax(b, b.map("select", rows, float("-inf"), x), call.get("dim", -1))


@lowers("aten::_masked_softmax_backward")
def _masked_softmax_backward(call: Call) -> Lowered:
    y, axis = call.tensor("output"), call.get("dim", -1)
    x = Tensor(y.shape, y.dtype)
    return gradient(
        call.builder, lambda b, x: softmax(b, x, axis), (x,), call.tensor("grad_output"), (True,), results=(y,)
    )[0]


def _attended(call: Call, x: Sequence[Tensor], heads: int) -> Tensor:
    """Projections, attention and the projection of its result."""
    b, weight, bias = call.builder, call.tensor("qkv_weight"), call.tensor("qkv_bias")
    if x[0] is x[1] and x[1] is x[2]:
        projected = dense(b, x[0], weight, bias)
        width = exact_divide(projected.shape[-1], 3)
        parts = b.emit_many(ops.Split(projected.rank - 1, (width,) * 3), projected)
    else:
        width = exact_divide(weight.shape[0], 3)
        weights = b.emit_many(ops.Split(0, (width,) * 3), weight)
        biases = b.emit_many(ops.Split(0, (width,) * 3), bias)
        parts = tuple(dense(b, *three) for three in zip(x, weights, biases, strict=True))
    core = attention(
        b, *(split_heads(b, part, heads) for part in parts), mask=_score_mask(call, parts[0], parts[1], heads)
    )
    return dense(b, merge_heads(b, core), call.tensor("proj_weight"), call.tensor("proj_bias"))


def _score_mask(call: Call, query: Tensor, key: Tensor, heads: int) -> Tensor | None:
    """A mask added to the scores; its values are 0 and −∞."""
    if call.get("mask") is None:
        return None
    b = call.builder
    return b.emit(ops.Constant("fill", (query.shape[0], heads, 1, query.shape[1], key.shape[1]), query.dtype, 0.0))


@lowers("aten::_native_multi_head_attention")
def _multi_head(call: Call) -> Lowered:
    given = [call.tensor(name) for name in ("query", "key", "value")]
    return (_attended(call, given, call["num_head"]), *(None for _ in call.outputs[1:]))


@lowers("aten::_transform_bias_rescale_qkv")
def _rescaled(call: Call) -> Lowered:
    """Biases are added and the queries scaled."""
    b, x, heads = call.builder, call.tensor("qkv"), call["num_heads"]
    biased = b.map("add", x, call.tensor("qkv_bias"))
    width = exact_divide(x.shape[-1], 3)
    query, key, value = b.emit_many(ops.Split(2, (width,) * 3), biased)
    scale = b.map("div", 1.0, b.map("sqrt", b.size_constant([exact_divide(width, heads)])))
    return [split_heads(b, part, heads) for part in (b.map("mul", query, scale), key, value)]


@lowers("aten::_transformer_encoder_layer_fwd")
def _encoder_layer(call: Call) -> Tensor:
    """Attention and a dense pair, each with its sum and its norm, before it or after it."""
    b, x = call.builder, call.tensor("src")
    kind, first = "gelu" if call["use_gelu"] else "relu", bool(call["norm_first"])

    def normed(x: Tensor, number: int) -> Tensor:
        return norm.layer_norm(b, x, call[f"norm_weight_{number}"], call[f"norm_bias_{number}"], epsilon=call["eps"])

    def fed(x: Tensor) -> Tensor:
        inner = activation(b, kind, dense(b, x, call["ffn_weight_1"], call["ffn_bias_1"]))
        return dense(b, inner, call["ffn_weight_2"], call["ffn_bias_2"])

    entering = normed(x, 1) if first else x
    x = b.map("add", x, _attended(call, [entering] * 3, call["num_heads"]))
    if first:
        return b.map("add", x, fed(normed(x, 2)))
    x = normed(x, 1)
    return normed(b.map("add", x, fed(x)), 2)
