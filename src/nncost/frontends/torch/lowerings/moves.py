"""Elements in another order, and tensors made of numbers only: no arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.gradient import composite
from nncost.frontends.torch.lowerings.operands import cast, moved
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import shuffles
from nncost.ir.library.triangles import triangle


@lowers("aten::cat", "aten::concat")
def _cat(call: Call) -> Lowered:
    rank = len(call.shape)
    pieces = [cast(call.builder, x, call.dtype) for x in call["tensors"] if x.rank == rank]
    if len(pieces) == 1:
        return call.builder.map("identity", pieces[0])
    return call.builder.emit(ops.Concat(call.get("dim", 0) % rank), *pieces)


@lowers("aten::stack")
def _stack(call: Call) -> Tensor:
    b = call.builder
    axis = call.get("dim", 0) % len(call.shape)
    return b.emit(ops.Concat(axis), *(b.unsqueeze(cast(b, x, call.dtype), axis) for x in call["tensors"]))


@lowers("aten::constant_pad_nd")
def _pad(call: Call) -> Tensor:
    x, widths = call.tensor("self"), call["pad"]
    before: list[Dim] = [0] * x.rank
    after: list[Dim] = [0] * x.rank
    for n in range(len(widths) // 2):
        axis = x.rank - 1 - n
        before[axis], after[axis] = widths[2 * n], widths[2 * n + 1]
    return call.builder.emit(ops.Pad(tuple(before), tuple(after), float(call.get("value", 0.0))), x)


@lowers("aten::flip")
def _flip(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Flip(tuple(axis % x.rank for axis in call["dims"])), x)


@lowers("aten::roll")
def _roll(call: Call) -> Tensor:
    b, given, dims = call.builder, call.tensor("self"), call.get("dims", ())
    x = given if dims else b.reshape(given, (given.elements,))
    for shift, dim in zip(call["shifts"], dims or (0,), strict=True):
        x = shuffles.roll(b, x, shift, dim % x.rank)
    return b.reshape(x, given.shape)


@lowers("aten::repeat")
def _repeat(call: Call) -> Tensor:
    return call.builder.map("identity", shuffles.tile(call.builder, call.tensor("self"), call["repeats"]))


def _shuffled(function: Callable[[Builder, Tensor, int], Tensor], setting: str) -> Lowering:
    return composite(lambda call: lambda b, x: function(b, x, call[setting]), "self")


lowers("aten::pixel_shuffle")(_shuffled(shuffles.pixel_shuffle, "upscale_factor"))
lowers("aten::pixel_unshuffle")(_shuffled(shuffles.pixel_unshuffle, "downscale_factor"))
lowers("aten::channel_shuffle", "aten::native_channel_shuffle")(_shuffled(shuffles.channel_shuffle, "groups"))


@lowers("aten::rot90")
def _rot90(call: Call) -> Tensor:
    x, (first, second) = call.tensor("self"), call.get("dims", (0, 1))
    return shuffles.rot90(call.builder, x, call.get("k", 1), (first % x.rank, second % x.rank))


@lowers("aten::diag_embed")
def _diag_embed(call: Call) -> Tensor:
    """A diagonal among zeros, in the axes that are named."""
    b, x = call.builder, call.tensor("self")
    rank = x.rank + 1
    first, second = call.get("dim1", -2) % rank, call.get("dim2", -1) % rank
    order = [*(axis for axis in range(rank) if axis not in (first, second)), first, second]
    square = shuffles.diagonal_matrices(b, x, call.get("offset", 0))
    return b.transpose(square, [order.index(axis) for axis in range(rank)])


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
    return call.builder.full(shape, value, dtype)


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
        return call.builder.emit(ops.Constant("iota", call.shape, call.dtype))
    packet = getattr(torch.ops.aten, call.name.removeprefix("aten::"))
    operator = getattr(packet, call.overload or "default")
    return call.builder.emit(ops.Constant("array", call.shape, call.dtype, lambda: operator(**given).numpy()))


_PLACES = {"layout", "device", "pin_memory"}


@lowers("aten::tril", "aten::triu")
def _triangle(call: Call) -> Tensor:
    upper = call.name == "aten::triu"
    return triangle(call.builder, call.tensor("self"), call.get("diagonal", 0), upper=upper)


_COPIES = """
    _conj_copy _fw_primal_copy _lazy_clone _make_dual_copy _neg_view_copy _reshape_alias_copy _reshape_copy
    alias_copy as_strided_copy detach_copy diagonal_copy expand_copy lift_fresh_copy narrow_copy permute_copy
    select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy
    unfold_copy unsqueeze_copy view_copy view_as_complex_copy view_as_real_copy unsafe_split unsafe_split_with_sizes
    _copy_from _copy_from_and_resize _nested_get_values_copy _nested_view_from_buffer_copy
    _nested_view_from_jagged_copy _mkldnn_reshape _mkldnn_transpose to_mkldnn mkldnn_reorder_conv2d_weight
    mkldnn_reorder_conv3d_weight _stack _pin_memory resize resize_as _resize_output set int_repr _chunk_cat
    from_file _new_zeros_with_same_feature_meta _empty_affine_quantized _empty_per_channel_affine_quantized
    empty_quantized _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor _convert_weight_to_int4pack
    _convert_weight_to_int4pack_for_cpu _dyn_quant_pack_4bit_weight _cslt_compress _to_sparse_semi_structured
    _sparse_semi_structured_apply _sparse_semi_structured_tile _sparse_semi_structured_apply_dense
    q_per_channel_scales q_per_channel_zero_points diagonal_backward as_strided_scatter select_scatter slice_scatter
    diagonal_scatter _nested_from_padded_and_nested_example _nested_from_padded_tensor _nested_tensor_from_mask
    _nested_tensor_from_tensor_list _nested_select_backward _nested_sum_backward
    _test_autograd_multiple_dispatch_view_copy _cudnn_init_dropout_state _cudnn_rnn_flatten_weight _make_dep_token
    _nested_compute_contiguous_strides_offsets _nested_get_jagged_dummy _nested_get_lengths _nested_get_max_seqlen
    _nested_get_min_seqlen _nested_get_offsets _nested_tensor_size _nested_tensor_storage_offsets
    _nested_tensor_strides _philox_key_fold_in _philox_key_split _functional_assert_async _functional_assert_scalar
    _functional_sym_constrain_range _functional_sym_constrain_range_for_size masked_scatter_backward
    _pack_padded_sequence _pad_packed_sequence _pack_padded_sequence_backward pad_sequence
    _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward _nested_from_padded to_padded_tensor
    nested_to_padded_tensor
"""
_BITS = """
    bitwise_left_shift bitwise_right_shift __lshift__ __rshift__ __ilshift__ __irshift__ signbit frexp nextafter
    hash_tensor
"""
_PUT = "complex take max_unpool2d max_unpool3d block_diag lu_unpack"
lowers(*(f"aten::{name}" for names in (_COPIES, _BITS, _PUT) for name in names.split()))(moved)
