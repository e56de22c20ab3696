"""Where PyTorch's FlopCounterMode is wrong about the cases, and by how much.

It is run with mkldnn off and attention's decomposed kernel; where a case is not listed here it agrees, forward and
backward.
"""

from __future__ import annotations

_GROUPS = "the weight gradient of a grouped convolution is counted `groups` times"
_BILINEAR = "aten._trilinear is not in its table: 0"
_FAST_PATH = "the fused inference kernel is not in its table: 0"
_VECTORS = "aten.{} is not in its table: 0"
_COMPLEX = "a complex product is counted as one, it is four"
_SPARSE = "the sparse matrix is counted as if it were dense"
_SPARSE_MM = "aten._sparse_mm is not in its table: 0; its gradient is counted as if it were dense"
_QUANTIZED = "packed products are not in its table: 0"

FLOP_COUNTER_WRONG: dict[str, str] = {
    "conv2d_groups": f"{_GROUPS}: 2",
    "conv2d_groups_behind": f"{_GROUPS}: 2",
    "conv2d_depthwise_multiplier": f"{_GROUPS}: 3",
    "conv2d_depthwise_separable": f"{_GROUPS}: 6",
    "conv3d_strided_groups_behind": f"{_GROUPS}: 4",
    "conv_transpose2d_groups_behind": f"{_GROUPS}: 2",
    "multihead_eval_fast_path": _FAST_PATH,
    "encoder_layer_eval_fast_path": _FAST_PATH,
    "matmul_matrix_vector": _VECTORS.format("mv"),
    "matmul_stack_vector": _VECTORS.format("mv"),
    "matmul_dot": _VECTORS.format("dot"),
    "addbmm": _VECTORS.format("addbmm"),
    "addmv": _VECTORS.format("addmv"),
    "mv": _VECTORS.format("mv"),
    "mv_learned_vector": _VECTORS.format("mv"),
    "dot": _VECTORS.format("dot"),
    "vdot_complex": _VECTORS.format("vdot"),
    "linalg_vecdot": _VECTORS.format("linalg_vecdot"),
    "chain_from_the_right": _VECTORS.format("mv"),
    "cdist_by_matmul": _VECTORS.format("_euclidean_dist"),
    "fourier_layer": _COMPLEX,
    "complex_linear": _COMPLEX,
    "complex_by_real_weight": _COMPLEX,
    "graph_layer_sparse_coo": _SPARSE,
    "graph_layer_sparse_csr": _SPARSE,
    "sparse_learned_weight": _SPARSE_MM,
    "sparse_operand_given": _SPARSE_MM,
    "linear_quantized_dynamic": _QUANTIZED,
    "lstm_quantized_dynamic": _QUANTIZED,
    "experts_grouped_mm": "grouped products are not in its table: 0",
    "affine_grid_and_sample": "aten.affine_grid_generator is not in its table: 0",
    "spectral_norm_train": _VECTORS.format("mv and aten.vdot"),
    "spectral_norm_eval": _VECTORS.format("mv and aten.vdot"),
    "bilinear": _BILINEAR,
    "bilinear_behind": _BILINEAR,
}

FLOP_COUNTER_UNABLE: dict[str, str] = {
    "gradient_inside_forward": "FlopCounterMode raises when a forward asks for gradients",
    "higher_order_scan": "FlopCounterMode does not support the operator scan",
}

_FLASH = "aten._scaled_dot_product_flash_attention_for_cpu is not in its table: the core is 0"
_MKLDNN = "aten.mkldnn_rnn_layer is not in its table: 0"
FUSED = (
    "multihead_self_fused multihead_distinct_key_and_value multihead_causal_mask sdpa sdpa_causal sdpa_mask"
    " sdpa_lengths_differ sdpa_grouped sdpa_one_query sdpa_no_parameters encoder_layer encoder_layer_norm_first"
    " encoder_layer_sequence_first encoder_two_layers decoder_layer decoder_layer_norm_first_causal transformer"
    " tiny_gpt_tied"
)
RECURRENT = (
    "lstm lstm_batch_first lstm_no_bias lstm_three_layers_dropout lstm_bidirectional lstm_bidirectional_two_layers"
    " lstm_given_state lstm_unbatched"
)
# Wrong as well where nothing is turned off, on a CPU with oneDNN.
FLOP_COUNTER_WRONG_BY_DEFAULT: dict[str, str] = dict.fromkeys(FUSED.split(), _FLASH) | dict.fromkeys(
    RECURRENT.split(), _MKLDNN
)
