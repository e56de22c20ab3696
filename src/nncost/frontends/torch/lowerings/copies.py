"""Copies of views, and other operators that only bring elements elsewhere."""

from __future__ import annotations

from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers

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
)  # fmt: skip


@lowers(*(f"aten::{name}" for name in _COPIES))
def _moved(call: Call) -> Lowered:
    """Elements elsewhere: read once, written once, no arithmetic."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) != 1 else outputs[0]
