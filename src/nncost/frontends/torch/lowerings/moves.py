"""Elements elsewhere or in another order, and tensors made of numbers alone: no arithmetic."""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.operands import algorithm, cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::cat", "aten::concat")
def _cat(call: Call) -> Lowered:
    rank = len(call.outputs[0][0])
    pieces = [cast(call.builder, x, call.dtype) for x in call["tensors"] if x.rank == rank]
    if len(pieces) == 1:
        return call.builder.map("identity", pieces[0])
    return call.builder.emit(ops.Concat(call.get("dim", 0) % rank), *pieces)


@lowers("aten::stack")
def _stack(call: Call) -> Tensor:
    b = call.builder
    axis = call.get("dim", 0) % len(call.outputs[0][0])
    typed = [cast(b, x, call.dtype) for x in call["tensors"]]
    pieces = [b.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in typed]
    return b.emit(ops.Concat(axis), *pieces)


@lowers("aten::constant_pad_nd")
def _pad(call: Call) -> Tensor:
    x, widths = call.tensor("self"), call["pad"]
    before: list[Dim] = [0] * x.rank
    after: list[Dim] = [0] * x.rank
    for place in range(len(widths) // 2):
        axis = x.rank - 1 - place
        before[axis], after[axis] = widths[2 * place], widths[2 * place + 1]
    return call.builder.emit(ops.Pad(tuple(before), tuple(after), float(call.get("value", 0.0))), x)


@lowers("aten::flip")
def _flip(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Flip(tuple(axis % x.rank for axis in call["dims"])), x)


@lowers("aten::roll")
def _roll(call: Call) -> Tensor:
    """Each axis cut in two and the halves swapped."""
    b, x = call.builder, call.tensor("self")
    shifts, dims = call["shifts"], call.get("dims", ())
    shape = x.shape
    if not dims:
        x, dims = b.reshape(x, (x.elements,)), (0,)
    for shift, dim in zip(shifts, dims, strict=True):
        size = x.shape[dim]
        first = size - shift % size
        if first in (0, size):
            continue
        head, tail = b.emit_many(ops.Split(dim % x.rank, (first, size - first)), x)
        x = b.emit(ops.Concat(dim % x.rank), tail, head)
    return b.reshape(x, shape)


@lowers("aten::repeat")
def _repeat(call: Call) -> Tensor:
    b, x, times = call.builder, call.tensor("self"), call["repeats"]
    shape = (*(1,) * (len(times) - x.rank), *x.shape)
    inner = tuple(dim for size in shape for dim in (1, size))
    outer = tuple(dim for time, size in zip(times, shape, strict=True) for dim in (time, size))
    whole = b.broadcast(b.reshape(x, inner), outer)
    return b.map("identity", b.reshape(whole, tuple(t * s for t, s in zip(times, shape, strict=True))))


@lowers("aten::pixel_shuffle")
def _pixel_shuffle(call: Call) -> Tensor:
    """``(…, C·r², H, W) → (…, C, H·r, W·r)``."""
    b, x, r = call.builder, call.tensor("self"), call["upscale_factor"]
    *batch, channels, height, width = x.shape
    parted = b.reshape(x, (*batch, channels // (r * r), r, r, height, width))
    n = len(batch)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return b.reshape(b.transpose(parted, order), call.outputs[0][0])


@lowers("aten::pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> Tensor:
    """``(…, C, H·r, W·r) → (…, C·r², H, W)``."""
    b, x, r = call.builder, call.tensor("self"), call["downscale_factor"]
    *batch, channels, height, width = x.shape
    parted = b.reshape(x, (*batch, channels, height // r, r, width // r, r))
    n = len(batch)
    return b.reshape(b.transpose(parted, (*range(n), n, n + 2, n + 4, n + 1, n + 3)), call.outputs[0][0])


@lowers("aten::channel_shuffle", "aten::native_channel_shuffle")
def _channel_shuffle(call: Call) -> Tensor:
    """``(B, g·C, …)``: group by group becomes channel by channel."""
    b, x, groups = call.builder, call.tensor("self"), call["groups"]
    parted = b.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return b.reshape(b.transpose(parted, (0, 2, 1, *range(3, parted.rank))), x.shape)


@lowers("aten::rot90")
def _rot90(call: Call) -> Tensor:
    """Quarter turns: a flip and two axes exchanged."""
    b, x, turns = call.builder, call.tensor("self"), call.get("k", 1) % 4
    first, second = (axis % x.rank for axis in call.get("dims", (0, 1)))
    if turns in (0, 2):
        return b.emit(ops.Flip((first, second)), x) if turns else b.map("identity", x)
    order = list(range(x.rank))
    order[first], order[second] = second, first
    if turns == 1:
        return b.transpose(b.emit(ops.Flip((second,)), x), order)
    return b.emit(ops.Flip((second,)), b.transpose(x, order))


@lowers("aten::diag_embed")
def _diag_embed(call: Call) -> Tensor:
    """A diagonal among zeros: n zeros behind each element, cut into rows of n."""
    b, x, offset = call.builder, call.tensor("self"), call.get("offset", 0)
    rank = x.rank + 1
    first, second = call.get("dim1", -2) % rank, call.get("dim2", -1) % rank
    square = _padded_square(b, _diagonal(b, x), offset)
    order = [axis for axis in range(rank) if axis not in (first, second)]
    places = {axis: place for place, axis in enumerate([*order, first, second])}
    return b.transpose(square, [places[axis] for axis in range(rank)])


def _diagonal(b: Builder, x: Tensor) -> Tensor:
    """``(…, n) → (…, n, n)``."""
    *batch, n = x.shape
    none = (0,) * len(batch)
    spread = b.emit(ops.Pad((*none, 0, 0), (*none, 0, n)), b.reshape(x, (*batch, n, 1)))
    flat = b.reshape(spread, (*batch, n * (n + 1)))
    return b.reshape(b.emit(ops.Pad((*none, 0), (*none, -n)), flat), (*batch, n, n))


def _padded_square(b: Builder, x: Tensor, offset: int) -> Tensor:
    """The diagonal above (or below) the main one."""
    if offset == 0:
        return x
    none, k = (0,) * (x.rank - 2), abs(offset)
    before, after = ((0, k), (k, 0)) if offset > 0 else ((k, 0), (0, k))
    return b.emit(ops.Pad((*none, *before), (*none, *after)), x)


def _constant(b: Builder, call: Call, kind: str, value: Any = 0.0) -> Tensor:
    shape, dtype = call.outputs[0]
    return b.emit(ops.Constant(kind, shape, dtype, value))  # type: ignore[arg-type]


@lowers(
    "aten::empty", "aten::zeros", "aten::ones", "aten::full", "aten::empty_strided", "aten::zeros_like", "aten::ones_like",
    "aten::empty_like", "aten::full_like", "aten::new_zeros", "aten::new_ones", "aten::new_empty", "aten::new_full",
    "aten::new_empty_strided", "aten::scalar_tensor", "aten::zero", "aten::_efficientzerotensor", "aten::fill",
    "aten::empty_permuted",
)  # fmt: skip
def _filled(call: Call) -> Tensor:
    """A constant; one that is filled in place is made anew."""
    ones = "ones" in call.name
    shape, dtype = call.outputs[0] if call.outputs else (call.tensor("self").shape, call.tensor("self").dtype)
    value = call.get("fill_value", call.get("value", call.get("s", 1.0 if ones else 0.0)))
    if isinstance(value, Tensor):
        return call.builder.map("identity", call.builder.broadcast(cast(call.builder, value, dtype), shape))
    return call.builder.emit(ops.Constant("fill", shape, dtype, value))


@lowers(
    "aten::arange", "aten::linspace", "aten::logspace", "aten::range", "aten::tril_indices", "aten::triu_indices",
    "aten::hann_window", "aten::hamming_window", "aten::bartlett_window", "aten::blackman_window", "aten::kaiser_window",
    "aten::eye", "aten::fft_fftfreq", "aten::fft_rfftfreq",
)  # fmt: skip
def _made(call: Call) -> Tensor:
    """Numbers known before the model runs, made by the operator itself when the graph is run."""
    import torch

    given = {name: value for name, value in call.arguments.items() if name not in _PLACES and value is not None}
    if any(isinstance(value, Tensor) for value in given.values()):
        return _constant(call.builder, call, "iota")
    packet = getattr(torch.ops.aten, call.name.removeprefix("aten::"))
    operator = getattr(packet, call.overload or "default")
    return _constant(call.builder, call, "array", lambda: operator(**given).numpy())


_PLACES = {"layout", "device", "pin_memory"}


@lowers("aten::tril", "aten::triu")
def _triangle(call: Call) -> Tensor:
    """Which elements stay is known before the model runs: a selection by a constant mask, 1 cmp each."""
    b, x = call.builder, call.tensor("self")
    rows, columns = x.shape[-2:]
    shift, upper = call.get("diagonal", 0), call.name == "aten::triu"

    def kept() -> Any:
        import numpy as np

        lower = np.tri(rows, columns, shift - 1 if upper else shift, dtype=bool)
        return ~lower if upper else lower

    mask = b.broadcast(b.emit(ops.Constant("array", (rows, columns), "bool", kept)), x.shape)
    return b.map("select", mask, x, b.emit(ops.Constant("fill", (), x.dtype, 0.0)))


_COPIES = (
    "_conj_copy", "_fw_primal_copy", "_lazy_clone", "_make_dual_copy", "_neg_view_copy", "_reshape_alias_copy",
    "_reshape_copy", "alias_copy", "as_strided_copy", "detach_copy", "diagonal_copy", "expand_copy", "lift_fresh_copy",
    "narrow_copy", "permute_copy", "select_copy", "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy",
    "t_copy", "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy", "view_copy", "view_as_complex_copy",
    "view_as_real_copy", "unsafe_split", "unsafe_split_with_sizes", "_copy_from", "_copy_from_and_resize",
    "_nested_get_values_copy", "_nested_view_from_buffer_copy", "_nested_view_from_jagged_copy", "_mkldnn_reshape",
    "_mkldnn_transpose", "to_mkldnn", "mkldnn_reorder_conv2d_weight", "mkldnn_reorder_conv3d_weight", "_stack",
    "_pin_memory", "resize", "resize_as", "_resize_output", "set", "int_repr", "_chunk_cat", "from_file",
    "_new_zeros_with_same_feature_meta", "_empty_affine_quantized", "_empty_per_channel_affine_quantized",
    "empty_quantized", "_make_per_channel_quantized_tensor", "_make_per_tensor_quantized_tensor",
    "_convert_weight_to_int4pack", "_convert_weight_to_int4pack_for_cpu", "_dyn_quant_pack_4bit_weight",
    "_cslt_compress", "_to_sparse_semi_structured", "_sparse_semi_structured_apply", "_sparse_semi_structured_tile",
    "_sparse_semi_structured_apply_dense", "q_per_channel_scales", "q_per_channel_zero_points",
    "diagonal_backward", "as_strided_scatter", "select_scatter",
    "slice_scatter", "diagonal_scatter",
    "_nested_from_padded_and_nested_example", "_nested_from_padded_tensor",
    "_nested_tensor_from_mask", "_nested_tensor_from_tensor_list", "_nested_select_backward", "_nested_sum_backward",
    "_test_autograd_multiple_dispatch_view_copy",
    "_cudnn_init_dropout_state", "_cudnn_rnn_flatten_weight", "_make_dep_token", "_nested_compute_contiguous_strides_offsets",
    "_nested_get_jagged_dummy", "_nested_get_lengths", "_nested_get_max_seqlen", "_nested_get_min_seqlen",
    "_nested_get_offsets", "_nested_tensor_size", "_nested_tensor_storage_offsets", "_nested_tensor_strides",
    "_philox_key_fold_in", "_philox_key_split", "_functional_assert_async", "_functional_assert_scalar",
    "_functional_sym_constrain_range", "_functional_sym_constrain_range_for_size", "masked_scatter_backward",
    "_pack_padded_sequence", "_pad_packed_sequence", "_pack_padded_sequence_backward", "pad_sequence",
    "_jagged_to_padded_dense_forward", "_padded_dense_to_jagged_forward", "_nested_from_padded", "to_padded_tensor", "nested_to_padded_tensor",
)  # fmt: skip


@lowers(*(f"aten::{name}" for name in _COPIES))
def _moved(call: Call) -> Lowered:
    """Elements elsewhere: read once, written once, no arithmetic."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) != 1 else outputs[0]
