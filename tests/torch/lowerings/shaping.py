"""Samples: reductions, scans, sorting, moves, windows, padding, resizing, sampling."""

from __future__ import annotations

import torch

from tests.torch.lowerings.making import ints, rand, sample

X = rand(3, 4)
IMAGE, VOLUME = rand(2, 3, 5, 6), rand(1, 2, 4, 3, 5)
GRID, SPACE = rand(2, 3, 4, 2) * 0.6, rand(1, 2, 3, 2, 3) * 0.6

REDUCTIONS = (
    *(sample(name, X, [1]) for name in ("sum.dim_IntList", "mean.dim", "amax", "amin", "logsumexp", "nansum")),
    *(sample(name, X, [0], True) for name in ("sum.dim_IntList", "mean.dim", "amax", "amin", "logsumexp")),
    sample("trace", X), sample("trace", rand(4, 2)), sample("trace", rand(3, 3)), sample("sum", X), sample("mean", X), sample("sum", ints(5, 3)), sample("sum.dim_IntList", rand(2, 3, 4), [0, 2]),
    sample("prod", X), sample("prod.dim_int", X, 1), sample("any", X > 1), sample("all.dim", X > -1, 1), sample("any.dim", X, 0),
    sample("argmax", X), sample("argmax", X, 1), sample("argmin", X, 0, True), sample("max", X), sample("min", X),
    sample("max.dim", X, 1), sample("min.dim", X, 0, True), sample("aminmax", X), sample("aminmax", X, dim=1),
    sample("_aminmax", X), sample("var", X), sample("var.dim", X, [1]), sample("var.correction", X, [0], correction=0),
    sample("std.correction", X, None, correction=1, keepdim=True), sample("std.dim", X, [1], False, True),
    sample("var_mean.correction", X, [1], correction=1), sample("std_mean.correction", X, [1], keepdim=True),
    *(sample("linalg_vector_norm", X, p, [1]) for p in (1, 2, 3, 0.5, float("inf"), float("-inf"))),
    sample("linalg_vector_norm", X, 2, None, True), sample("norm.Scalar", X), sample("norm.ScalarOpt_dim", X, 1, [1]),
    sample("linalg_vector_norm", X, 0, [1], counted=False), sample("linalg__powsum", X, 2), sample("cumsum", X, 1), sample("cumprod", X, 0),
    sample("logcumsumexp", X, 1), sample("_logcumsumexp", X, 1), sample("cummax", X, 1, results=(0,)),
    sample("cummin", X, 1, results=(0,)), sample("count_nonzero.dim_IntList", ints(2, 3, 4), [1]), sample("count_nonzero", X),
)  # fmt: skip

SORTS = (
    sample("sort", X, 1), sample("sort", X, 0, True), sample("topk", X, 2), sample("topk", X, 2, 0, False),
    sample("topk", X, 4), sample("msort", X), sample("argsort", X, 1), sample("argsort", X, 0, True),
    sample("kthvalue", X, 2), sample("kthvalue", X, 2, 0, True), sample("median", X), sample("median.dim", X, 1),
    sample("nanmedian", X), sample("nanmedian.dim", X, 0, True),
)  # fmt: skip

MOVES = (
    sample("cat", [X, rand(2, 4)]), sample("cat", [X, rand(3, 1)], -1), sample("cat", [X, ints(3, 2, 4)]),
    sample("concat", [X, X], 1), sample("stack", [X, X]), sample("stack", [X, ints(3, 3, 4)], -1),
    sample("constant_pad_nd", X, [1, 2, 0, 1], 0.5), sample("constant_pad_nd", X, [-1, 1]), sample("flip", X, [0, 1]),
    sample("roll", X, [1], [1]), sample("roll", X, [-2, 1], [0, 1]), sample("roll", X, [3]), sample("repeat", X, [2, 1, 3]),
    sample("tril", X), sample("triu", rand(2, 3, 3), 1), sample("tril", X, -1),
    sample("select_backward", rand(3), [3, 4], 1, 2), sample("slice_backward", rand(3, 2), [3, 5], 1, 1, 3, 1),
    sample("slice_backward", rand(3, 3), [3, 6], 1, 1, 6, 2), sample("unfold_backward", rand(3, 3), [7], 0, 3, 2),
    sample("im2col", IMAGE, [2, 3], [1, 1], [1, 0], [2, 1]), sample("im2col", IMAGE[0], [2, 2], [2, 1], [0, 0], [1, 1]),

    sample("col2im", rand(2, 12, 6), [4, 3], [2, 2], [1, 1], [0, 0], [1, 1]),
    sample("col2im", rand(2, 12, 10), [4, 3], [2, 2], [1, 1], [1, 0], [1, 1]),
    *(sample(f"{kind}_pad1d", rand(2, 3, 5), [1, 2]) for kind in ("reflection", "replication")),
    *(sample(f"{kind}_pad2d", IMAGE, [1, 2, 3, 1]) for kind in ("reflection", "replication")),
    *(sample(f"{kind}_pad3d", VOLUME, [1, 2, 1, 1, 2, 1]) for kind in ("reflection", "replication")),
    *(sample(f"{kind}_pad1d_backward", rand(2, 3, 8), rand(2, 3, 5), [1, 2]) for kind in ("reflection", "replication")),
    *(sample(f"{kind}_pad2d_backward", rand(2, 3, 9, 9), IMAGE, [1, 2, 3, 1]) for kind in ("reflection", "replication")),
    *(sample(f"{kind}_pad3d_backward", rand(1, 2, 7, 5, 8), VOLUME, [1, 2, 1, 1, 2, 1])
      for kind in ("reflection", "replication")),
    sample("_pad_circular", IMAGE, [1, 2, 2, 1]),
    sample("pixel_shuffle", rand(2, 8, 3, 2), 2), sample("pixel_unshuffle", rand(2, 4, 6), 2), sample("channel_shuffle", rand(2, 6, 3), 3),
    sample("native_channel_shuffle", rand(1, 4, 2, 2), 2), *(sample("rot90", rand(2, 3), k) for k in (0, 1, 2, 3, -1)),
    sample("diag_embed", rand(2, 3)), sample("diag_embed", rand(2, 3), 1), sample("diag_embed", rand(2, 3), -2, 0, 2),
)  # fmt: skip

NONE = {"dtype": torch.float64}
MADE = (
    sample("zeros", [2, 3], **NONE), sample("ones", [2], **NONE), sample("full", [2, 3], 1.5, **NONE),
    sample("zeros_like", X), sample("ones_like", X), sample("full_like", X, 2.0), sample("new_zeros", X, [2]),
    sample("new_ones", X, [2]), sample("new_full", X, [2], 3.0), sample("scalar_tensor", 2.5, **NONE), sample("zero", X),
    sample("fill.Scalar", X, 1.5), sample("fill.Tensor", X, torch.tensor(2.5).double()),
    sample("arange", 5), sample("arange.start_step", 1, 8, 3), sample("linspace", 0, 1, 5, **NONE),
    sample("logspace", 0, 1, 4, **NONE), sample("range.step", 1, 4, 1, **NONE), sample("tril_indices", 3, 3, 0),
    sample("triu_indices", 3, 4, 1), sample("eye", 3, **NONE), sample("eye.m", 3, 4, **NONE), sample("hann_window", 5, **NONE),
    sample("hamming_window", 5, **NONE), sample("bartlett_window", 5, **NONE), sample("blackman_window", 5, **NONE),
    sample("kaiser_window", 5, **NONE), sample("fft_fftfreq", 5, **NONE), sample("fft_rfftfreq", 5, **NONE),
)  # fmt: skip

INDEXED = (
    sample("embedding", rand(5, 3), ints(5, 2, 4)), sample("embedding_dense_backward", rand(2, 4, 3), ints(5, 2, 4), 5, -1, False),
    sample("index_select", X, 1, ints(4, 3)), sample("gather", X, 1, ints(4, 3, 2)), sample("index.Tensor", X, [ints(3, 5)]),
    sample("index.Tensor", X, [None, ints(4, 2, 2)]), sample("_unsafe_index.Tensor", X, [ints(3, 2)]),
    sample("_embedding_bag", rand(5, 3), ints(5, 6), torch.tensor([0, 2, 4]), results=(0,)),
    sample("_embedding_bag_forward_only", rand(5, 3), ints(5, 6), torch.tensor([0, 3]), False, 1, results=(0,)),
    sample("_embedding_bag", rand(5, 3), ints(5, 6), torch.tensor([0, 2, 4]), False, 2, results=(0,)),
    sample("_embedding_bag", rand(5, 3), ints(5, 6), torch.tensor([0, 2, 4]), False, 0, False, rand(6), results=(0,)),
    sample("_embedding_bag_dense_backward", rand(3, 2), ints(5, 6), torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([2, 2, 2]),
           torch.tensor([]).long(), 5, False, 0, None),
    sample("_embedding_bag_dense_backward", rand(3, 2), ints(5, 6), torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([2, 2, 2]),
           torch.tensor([]).long(), 5, False, 1, None),
    sample("_embedding_bag_backward", rand(3, 2), ints(5, 6), torch.tensor([0, 2, 4]), torch.tensor([0, 0, 1, 1, 2, 2]),
           torch.tensor([2, 2, 2]), torch.tensor([]).long(), 5, False, 0, False, rand(6)),
    sample("_embedding_bag_per_sample_weights_backward", rand(3, 2), rand(5, 2), ints(5, 6), torch.tensor([0, 2, 4]),
           torch.tensor([0, 0, 1, 1, 2, 2]), 0),
)  # fmt: skip

RESIZED = (
    sample("upsample_nearest1d", rand(2, 3, 4), [7]), sample("upsample_nearest2d", IMAGE, [8, 3]),
    sample("upsample_nearest3d", VOLUME, [5, 6, 3]), sample("_upsample_nearest_exact1d", rand(2, 3, 4), [7]),
    sample("_upsample_nearest_exact2d", IMAGE, [8, 3]), sample("_upsample_nearest_exact3d", VOLUME, [5, 6, 3]),
    sample("upsample_linear1d", rand(2, 3, 4), [7], False), sample("upsample_bilinear2d", IMAGE, [8, 3], False),
    sample("upsample_bilinear2d", IMAGE, [8, 3], True), sample("upsample_bilinear2d.vec", IMAGE, None, False, [1.5, 2.0]),
    sample("upsample_nearest2d.vec", IMAGE, None, [1.5, 2.0]), sample("upsample_trilinear3d", VOLUME, [5, 6, 3], False),
    sample("upsample_bicubic2d", IMAGE, [8, 3], False), sample("upsample_bicubic2d", IMAGE, [8, 3], True),
    sample("_upsample_bilinear2d_aa", IMAGE, [3, 4], False), sample("_upsample_bicubic2d_aa", IMAGE, [3, 8], False),
    sample("_upsample_lanczos2d_aa", IMAGE, [3, 4], False),
    sample("upsample_nearest1d_backward", rand(2, 3, 7), [7], [2, 3, 4]),
    sample("upsample_nearest2d_backward", rand(2, 3, 8, 3), [8, 3], [2, 3, 5, 6]),
    sample("upsample_nearest3d_backward", rand(1, 2, 5, 6, 3), [5, 6, 3], [1, 2, 4, 3, 5]),
    sample("_upsample_nearest_exact1d_backward", rand(2, 3, 7), [7], [2, 3, 4]),
    sample("_upsample_nearest_exact2d_backward", rand(2, 3, 8, 3), [8, 3], [2, 3, 5, 6]),
    sample("_upsample_nearest_exact3d_backward", rand(1, 2, 5, 6, 3), [5, 6, 3], [1, 2, 4, 3, 5]),
    sample("upsample_linear1d_backward", rand(2, 3, 7), [7], [2, 3, 4], False),
    sample("upsample_bilinear2d_backward", rand(2, 3, 8, 3), [8, 3], [2, 3, 5, 6], False),
    sample("upsample_trilinear3d_backward", rand(1, 2, 5, 6, 3), [5, 6, 3], [1, 2, 4, 3, 5], True),
    sample("upsample_bicubic2d_backward", rand(2, 3, 8, 3), [8, 3], [2, 3, 5, 6], False),
    sample("_upsample_bilinear2d_aa_backward", rand(2, 3, 3, 4), [3, 4], [2, 3, 5, 6], False),
    sample("_upsample_bicubic2d_aa_backward", rand(2, 3, 3, 4), [3, 4], [2, 3, 5, 6], False),
    sample("_upsample_lanczos2d_aa_backward", rand(2, 3, 3, 4), [3, 4], [2, 3, 5, 6], False),
)  # fmt: skip

SAMPLED = (
    *(sample("grid_sampler_2d", IMAGE, GRID * 1.5, mode, outside, align)
      for mode in (0, 1, 2) for outside in (0, 1, 2) for align in (False, True)),
    *(sample("grid_sampler_3d", VOLUME, SPACE * 1.5, mode, outside, False) for mode in (0, 1) for outside in (0, 1, 2)),
    sample("_grid_sampler_2d_cpu_fallback", IMAGE.float(), GRID.float(), 0, 0, True),
    *(sample("grid_sampler_2d_backward", rand(2, 3, 3, 4), IMAGE, GRID, mode, 0, False, [True, True]) for mode in (0, 2)),
    sample("grid_sampler_2d_backward", rand(2, 3, 3, 4), IMAGE, GRID, 0, 1, True, [True, True]),
    sample("grid_sampler_3d_backward", rand(1, 2, 2, 3, 2), VOLUME, SPACE, 0, 0, False, [True, True]),
    sample("_grid_sampler_2d_cpu_fallback_backward", rand(2, 3, 3, 4).float(), IMAGE.float(), GRID.float(), 0, 0, False),
    *(sample("_cdist_forward", rand(2, 3, 4), rand(2, 5, 4), p, None) for p in (1.0, 2.0, 3.0, float("inf"))),
    sample("_cdist_forward", rand(2, 3, 4), rand(2, 5, 4), 0.0, None, counted=False),
    *(sample("_pdist_forward", rand(4, 3), p) for p in (1.0, 2.0, 3.0)),
    *(sample("_cdist_backward", rand(3, 5), X, P, p, torch.cdist(X, P, p=p)) for P in (rand(5, 4),) for p in (1.0, 2.0, 3.0)),
    *(sample("_pdist_backward", rand(3), X, p, torch.pdist(X, p)) for p in (1.0, 2.0)),
)  # fmt: skip

SAMPLES = (*REDUCTIONS, *SORTS, *MOVES, *MADE, *INDEXED, *RESIZED, *SAMPLED)
