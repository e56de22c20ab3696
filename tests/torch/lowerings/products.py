"""Samples: products of matrices, convolutions, attention, recurrent cells."""

from __future__ import annotations

import torch

from tests.torch.lowerings.making import ints, positive, rand, sample
from tests.torch.lowerings.running import Sample

M, V = rand(3, 4), rand(4)
CONV = ([1], [0], [1], False, [0], 1)


def convolution(x: torch.Tensor, w: torch.Tensor, *, bias: bool, stride: int = 1, pad: int = 0, dilation: int = 1,
                transposed: bool = False, output_padding: int = 0, groups: int = 1) -> tuple[Sample, Sample]:  # fmt: skip
    """A convolution and its gradients."""
    dims = w.dim() - 2
    channels = w.shape[1] * groups if transposed else w.shape[0]
    b = rand(channels) if bias else None
    options = ([stride] * dims, [pad] * dims, [dilation] * dims, transposed, [output_padding] * dims, groups)
    y = torch.ops.aten.convolution(x, w, b, *options)
    g = rand(*y.shape)
    return (
        sample("convolution", x, w, b, *options),
        sample("convolution_backward", g, x, w, [channels], *options, [True, True, bias]),
    )


Q, K, W = rand(1, 2, 3, 4), rand(1, 2, 5, 4), rand(1, 2, 5, 4)
E = 4
HEADS = (rand(12, E), rand(12), rand(E, E), rand(E))
SRC = rand(2, 3, E)
NORMS = (positive(E), rand(E), positive(E), rand(E), rand(6, E), rand(6), rand(E, 6), rand(E))

OUT, LOGSUM = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(Q, K, W)[:2]
STEPS, STATE = rand(3, 2, 4).float(), (rand(1, 2, 4).float(), rand(1, 2, 4).float())
GATES = (rand(16, 4).float(), rand(16, 4).float(), rand(16).float(), rand(16).float())
LSTM = ([], 2, 4, 1, True, False, False)
RAN = torch.ops.aten.mkldnn_rnn_layer(STEPS, *GATES, *STATE, False, *LSTM, True)

SAMPLES = (
    sample("_scaled_dot_product_flash_attention_for_cpu_backward", rand(1, 2, 3, 4), Q, K, W, OUT, LOGSUM, 0.0, False),
    sample("mkldnn_rnn_layer", STEPS, *GATES, *STATE, False, *LSTM, False, results=(0, 1, 2)),
    sample("mkldnn_rnn_layer", STEPS, *GATES, *STATE, True, *LSTM, False, results=(0, 1, 2)),
    sample("mkldnn_rnn_layer_backward", STEPS, *GATES, *STATE, *RAN[:3], rand(3, 2, 4).float(), rand(1, 2, 4).float(),
           rand(1, 2, 4).float(), False, 2, 4, 1, True, True, False, [], False, RAN[3]),
    sample("linear", rand(2, 4), M), sample("linear", rand(2, 3, 4), M, rand(3)),
    sample("mm", M, rand(4, 2)), sample("bmm", rand(2, 3, 4), rand(2, 4, 5)), sample("mv", M, V), sample("dot", V, rand(4)),
    sample("vdot", V, rand(4)), sample("addmm", rand(2), rand(2, 3), rand(3, 2), beta=0.5, alpha=2.0),
    sample("addmm", rand(4, 2), rand(4, 3), rand(3, 2)), sample("addmm", rand(2), rand(2, 3), rand(3, 2), beta=0),
    sample("baddbmm", rand(2, 3, 5), rand(2, 3, 4), rand(2, 4, 5)),
    sample("addbmm", rand(3, 5), rand(2, 3, 4), rand(2, 4, 5), beta=2), sample("addmv", rand(3), M, V, alpha=3),
    sample("addr", rand(3, 4), rand(3), V, beta=0.5), sample("linalg_vecdot", rand(2, 3, 4), rand(3, 4)),
    sample("linalg_vecdot", rand(2, 3), rand(2, 3), dim=0),
    sample("_addmm_activation", rand(2), rand(2, 3), rand(3, 2)), sample("_add_relu.Tensor", M, rand(3, 4)),
    sample("affine_grid_generator", rand(2, 2, 3), [2, 1, 3, 4], False),
    sample("affine_grid_generator", rand(2, 3, 4), [2, 1, 3, 4, 2], True),
    sample("affine_grid_generator_backward", rand(2, 3, 4, 2), [2, 1, 3, 4], False),
    sample("_trilinear", rand(2, 3), rand(5, 3, 4), rand(2, 4), [1, 3], [0], [1, 2], [2, 3]),
    sample("_trilinear", rand(2, 5), rand(5, 3, 4), rand(2, 4), [2, 3], [0], [1, 2], [1, 3]),
    sample("_trilinear", rand(2, 3), rand(2, 5), rand(2, 4), [1, 3], [2, 3], [1, 2], [0]),
    sample("_trilinear", rand(2, 3), rand(5, 3, 4), rand(2, 5), [1, 3], [0], [2, 3], [1, 2]),
    sample("_int_mm", ints(5, 32, 16).to(torch.int8), ints(5, 16, 8).to(torch.int8)),
    sample("_compute_linear_combination", rand(3, 2, 2), rand(4, 3)),
    sample("conv_tbc", rand(5, 2, 3), rand(3, 3, 4), rand(4), 1),
    *convolution(rand(2, 3, 6), rand(4, 3, 3), bias=True, stride=2, pad=1),
    *convolution(rand(2, 4, 5, 6), rand(4, 2, 3, 2), bias=False, groups=2, pad=1, dilation=2),
    *convolution(rand(1, 2, 4, 4, 3), rand(3, 2, 2, 2, 2), bias=True),
    *convolution(rand(2, 3, 4), rand(3, 2, 3), bias=True, stride=2, transposed=True, output_padding=1, pad=1),
    *convolution(rand(1, 4, 3, 3), rand(4, 1, 2, 3), bias=False, stride=2, transposed=True, groups=2),
    sample("_convolution", rand(1, 2, 5), rand(3, 2, 3), None, *CONV, False, False, False, False),
    sample("_slow_conv2d_forward", rand(1, 2, 5, 5), rand(3, 2, 3, 3), [3, 3], rand(3), [1, 1], [1, 1]),
    sample("thnn_conv2d", rand(1, 2, 5, 5), rand(3, 2, 3, 3), [3, 3], None, [2, 1]),
    sample("slow_conv3d_forward", rand(1, 2, 3, 3, 3), rand(3, 2, 2, 2, 2), [2, 2, 2], rand(3), [1, 1, 1], [0, 0, 0]),
    sample("slow_conv3d", rand(1, 2, 3, 3, 3), rand(3, 2, 2, 2, 2), [2, 2, 2], rand(3)),
    sample("slow_conv_dilated2d", rand(1, 2, 6, 6), rand(3, 2, 2, 2), [2, 2], rand(3), [1, 1], [0, 0], [2, 2]),
    sample("slow_conv_dilated3d", rand(1, 2, 5, 5, 5), rand(3, 2, 2, 2, 2), [2, 2, 2], rand(3), [1] * 3, [0] * 3, [2] * 3),
    sample("slow_conv_transpose2d", rand(1, 2, 3, 3), rand(2, 3, 2, 2), [2, 2], rand(3), [2, 2]),
    sample("slow_conv_transpose3d", rand(1, 2, 3, 3, 3), rand(2, 3, 2, 2, 2), [2, 2, 2], rand(3)),
    sample("_scaled_dot_product_flash_attention_for_cpu", Q, K, W, results=(0,)),
    sample("_scaled_dot_product_flash_attention_for_cpu", Q, Q, Q, 0.0, True, results=(0,)),
    sample("_scaled_dot_product_flash_attention_for_cpu", Q, K, W, attn_mask=rand(3, 5), scale=0.3, results=(0,)),
    sample("scaled_dot_product_attention", Q, K, W), sample("scaled_dot_product_attention", Q, K, W, rand(3, 5)),
    sample("scaled_dot_product_attention", Q, Q, Q, None, 0.0, True),
    sample("scaled_dot_product_attention", rand(1, 4, 3, 4), K, W, enable_gqa=True),
    sample("_scaled_dot_product_attention_math", Q, K, W, rand(3, 5), results=(0,)),
    sample("scaled_dot_product_attention", Q, K, W, ints(2, 3, 5).bool() | torch.eye(3, 5).bool()),
    sample("_native_multi_head_attention", SRC, SRC, SRC, E, 2, *HEADS, None, False, results=(0,)),
    sample("_native_multi_head_attention", SRC, rand(2, 3, E), rand(2, 3, E), E, 2, *HEADS, None, False, results=(0,)),
    sample("_transformer_encoder_layer_fwd", SRC, E, 2, *HEADS, False, False, 1e-5, *NORMS),
    sample("_transformer_encoder_layer_fwd", SRC, E, 2, *HEADS, True, True, 1e-5, *NORMS),
    sample("_transform_bias_rescale_qkv", rand(2, 3, 12), rand(12), 2),
    sample("_masked_softmax", rand(2, 2, 3, 3), ints(2, 3, 3).bool() & ~torch.eye(3).bool(), 3, 0),
    sample("_masked_softmax_backward", rand(2, 3), torch.softmax(rand(2, 3), 1), torch.zeros(2, 3).bool(), 1),
)  # fmt: skip
