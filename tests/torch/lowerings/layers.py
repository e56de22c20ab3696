"""Samples: norms, pooling, losses, updates of parameters, lists of tensors."""

from __future__ import annotations

import torch

from tests.torch.lowerings.making import ints, positive, rand, sample

X, IMAGE, VOLUME = rand(4, 6), rand(2, 4, 5, 6), rand(1, 2, 4, 4, 5)
C4 = (positive(4), rand(4), rand(4), positive(4))


LN = torch.ops.aten.native_layer_norm(X, [6], positive(6), rand(6), 1e-5)
GN = torch.ops.aten.native_group_norm(IMAGE, C4[0], C4[1], 2, 4, 30, 2, 1e-5)
BN = torch.ops.aten.native_batch_norm(IMAGE, *C4, True, 0.1, 1e-5)
UP = torch.ops.aten._batch_norm_with_update(IMAGE, *(x.clone() for x in C4), 0.1, 1e-5)
V, G = rand(3, 4), positive(3, 1)
WN = torch.ops.aten._weight_norm_interface(V, G, 0)

NORMS = (
    sample("batch_norm_backward", rand(2, 4, 5, 6), IMAGE, C4[0], C4[2], C4[3], UP[1], UP[2], True, 1e-5, [True] * 3, UP[3]),
    sample("_weight_norm_interface", V, rand(1, 4), 1, results=(0,)),
    sample("native_layer_norm", X, [6], positive(6), rand(6), 1e-3, results=(0,)),
    sample("native_layer_norm", rand(2, 3, 4), [3, 4], None, None, 1e-5, results=(0,)),
    sample("layer_norm", X, [6], positive(6)),
    sample("native_layer_norm_backward", rand(4, 6), X, [6], LN[1], LN[2], positive(6), rand(6), [True, True, True]),
    sample("native_batch_norm", IMAGE, *C4, True, 0.3, 1e-3, results=(0,)),
    sample("native_batch_norm", IMAGE, *C4, False, 0.1, 1e-5, results=(0,)),
    sample("_native_batch_norm_legit", rand(3, 4), *C4, True, 0.1, 1e-5, results=(0,)),
    sample("_native_batch_norm_legit.no_stats", IMAGE, C4[0], C4[1], True, 0.1, 1e-5, results=(0,)),
    sample("_native_batch_norm_legit_functional", IMAGE, *C4, True, 0.1, 1e-5, results=(0,)),
    sample("_native_batch_norm_legit_no_training", IMAGE, *C4, 0.1, 1e-4, results=(0,)),
    sample("_batch_norm_with_update", IMAGE, *C4, 0.1, 1e-5, results=(0,)),
    sample("_batch_norm_no_update", IMAGE, *C4, 0.1, 1e-5, results=(0,)),
    sample("batch_norm", IMAGE, *C4, True, 0.1, 1e-5, False), sample("batch_norm", IMAGE, None, None, None, None, True, 0.1, 1e-5, False),
    sample("native_batch_norm_backward", rand(2, 4, 5, 6), IMAGE, C4[0], C4[2], C4[3], BN[1], BN[2], True, 1e-5, [True] * 3),
    sample("native_batch_norm_backward", rand(2, 4, 5, 6), IMAGE, C4[0], C4[2], C4[3], BN[1], BN[2], False, 1e-5, [True] * 3),
    sample("native_group_norm", IMAGE, C4[0], C4[1], 2, 4, 30, 2, 1e-3, results=(0,)),
    sample("group_norm", IMAGE, 2, C4[0], C4[1], 1e-5),
    sample("native_group_norm_backward", rand(2, 4, 5, 6), IMAGE, GN[1], GN[2], C4[0], 2, 4, 30, 2, [True] * 3),
    sample("_fused_rms_norm", X, [6], positive(6), 1e-4, results=(0,)), sample("rms_norm", X, [6], positive(6)),
    sample("_fused_rms_norm", rand(2, 3, 4), [3, 4], None, 1e-5, results=(0,)),
    sample("_weight_norm_interface", V, G, 0, results=(0,)), sample("_weight_norm", V, rand(1, 4), 1),
    sample("_weight_norm_interface_backward", rand(3, 4), V, G, WN[1], 0),
    sample("layer_norm", X, [6]),
)  # fmt: skip

POOLS = (
    sample("max_pool2d_with_indices", IMAGE, [2, 3], [2, 2], [1, 1], [1, 1], True, results=(0,)),
    sample("max_pool2d_with_indices", IMAGE[0], [2, 2], results=(0,)),
    sample("max_pool3d_with_indices", VOLUME, [2, 2, 2], results=(0,)), sample("max_pool1d_with_indices", X, [2], results=(0,)),
    sample("max_pool2d", IMAGE, [3, 3], [2, 2], [1, 1], [2, 1]), sample("max_pool1d", X, [3], [1]), sample("max_pool3d", VOLUME, [2, 2, 2]),
    sample("avg_pool2d", IMAGE, [2, 3], [2, 2], [1, 1]), sample("avg_pool2d", IMAGE, [3, 3], [2, 2], [1, 1], False, False),
    sample("avg_pool2d", IMAGE, [2, 2], [2, 2], [0, 0], True), sample("avg_pool2d", IMAGE, [2, 2], [2, 2], [0, 0], False, True, 3),
    sample("avg_pool3d", VOLUME, [2, 2, 2]), sample("avg_pool1d", X, [2]),
    sample("_adaptive_avg_pool2d", IMAGE, [2, 4]), sample("_adaptive_avg_pool2d", IMAGE, [5, 3]), sample("_adaptive_avg_pool3d", VOLUME, [2, 3, 5]),
    sample("adaptive_avg_pool1d", X, [4]), sample("adaptive_avg_pool2d", IMAGE, [1, 1]), sample("adaptive_avg_pool3d", VOLUME, [1, 1, 1]),
    sample("adaptive_max_pool2d", IMAGE, [2, 4], results=(0,)), sample("adaptive_max_pool3d", VOLUME, [2, 3, 5], results=(0,)),
    sample("adaptive_max_pool1d", X, [4], results=(0,)),
    sample("max_pool2d_with_indices_backward", rand(2, 4, 2, 3), IMAGE, [2, 2], [2, 2], [0, 0], [1, 1], False,
           torch.ops.aten.max_pool2d_with_indices(IMAGE, [2, 2])[1]),
    sample("max_pool3d_with_indices_backward", rand(1, 2, 2, 2, 2), VOLUME, [2, 2, 2], [2, 2, 2], [0] * 3, [1] * 3, False,
           torch.ops.aten.max_pool3d_with_indices(VOLUME, [2, 2, 2])[1]),
    sample("avg_pool2d_backward", rand(2, 4, 3, 3), IMAGE, [2, 2], [2, 2], [0, 0], True, True, None),
    sample("avg_pool2d_backward", rand(2, 4, 3, 4), IMAGE, [2, 2], [2, 2], [1, 1], False, False, None),
    sample("avg_pool3d_backward", rand(1, 2, 2, 2, 2), VOLUME, [2, 2, 2], [2, 2, 2], [0] * 3, False, True, None),
    sample("_adaptive_avg_pool2d_backward", rand(2, 4, 2, 4), IMAGE), sample("_adaptive_avg_pool3d_backward", rand(1, 2, 2, 3, 5), VOLUME),
    sample("adaptive_max_pool2d_backward", rand(2, 4, 2, 3), IMAGE, torch.ops.aten.adaptive_max_pool2d(IMAGE, [2, 3])[1]),
    sample("adaptive_max_pool3d_backward", rand(1, 2, 2, 2, 2), VOLUME, torch.ops.aten.adaptive_max_pool3d(VOLUME, [2, 2, 2])[1]),
)  # fmt: skip

P, T = positive(3, 4), positive(3, 4)
LOGS = torch.log_softmax(rand(3, 4), 1)
TARGET = ints(4, 3)
ONE = torch.tensor(0.7).double()
LOSSES = (
    *(sample("mse_loss", P, T, r) for r in (0, 1, 2)), *(sample("mse_loss_backward", ONE, P, T, r) for r in (1, 2)),
    sample("mse_loss_backward", rand(3, 4), P, T, 0),
    *(sample("nll_loss_forward", LOGS, TARGET, w, r, -100, results=(0,) if r == 0 else (0, 1)) for w in (None, positive(4)) for r in (0, 1, 2)),
    sample("nll_loss_forward", LOGS[0], TARGET[0], None, 1, -100, results=(0,)),
    sample("nll_loss2d_forward", rand(2, 4, 3, 3), ints(4, 2, 3, 3), None, 1, -100, results=(0,)),
    *(sample("binary_cross_entropy", P, T, w, r) for w in (None, positive(3, 4)) for r in (0, 1, 2)),
    *(sample("binary_cross_entropy_backward", ONE, P, T, w, r) for w in (None, positive(3, 4)) for r in (1, 2)),
    *(sample("smooth_l1_loss", P * 4, T, r, w) for r in (0, 1, 2) for w in (0.0, 0.5, 1.0)),
    *(sample("huber_loss", P * 4, T, r, 0.7) for r in (0, 1, 2)), *(sample("soft_margin_loss", P, T.sign(), r) for r in (0, 1, 2)),
    *(sample("smooth_l1_loss_backward", ONE, P * 4, T, r, w) for r in (1, 2) for w in (0.0, 0.5)),
    *(sample("huber_loss_backward", ONE, P * 4, T, r, 0.7) for r in (1, 2)),
    *(sample("soft_margin_loss_backward", ONE, P, -T.sign(), r) for r in (1, 2)),
    *(sample("multi_margin_loss", P, TARGET, p, 1.5, w, r) for p in (1, 2) for w in (None, positive(4)) for r in (0, 1, 2)),
    sample("multi_margin_loss_backward", ONE, P, TARGET, 1, 1.0, None, 1),
    sample("multi_margin_loss_backward", ONE, P, TARGET, 2, 1.0, positive(4), 2),
)  # fmt: skip

A, B = [rand(2, 3), rand(4)], [positive(2, 3), positive(4)]
LISTS = (
    *(sample(f"_foreach_{name}", B) for name in (
        "abs", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac", "log", "log10", "log1p", "log2", "neg",
        "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "zero", "max", "clone")),
    *(sample(f"_foreach_{name}.List", A, B) for name in (
        "add", "sub", "mul", "div", "maximum", "minimum", "clamp_max", "clamp_min")),
    *(sample(f"_foreach_{name}.Scalar", A, 1.5) for name in (
        "add", "sub", "mul", "div", "maximum", "minimum", "clamp_max", "clamp_min")),
    *(sample(f"_foreach_{name}.ScalarList", A, [1.5, 0.5]) for name in ("add", "mul")),
    sample("_foreach_mm", [rand(2, 3)], [rand(3, 4)]), sample("_foreach_powsum.Scalar", A, 2),
    sample("_foreach_pow.Scalar", B, 2.0), sample("_foreach_pow.List", B, B), sample("_foreach_lerp.Scalar", A, B, 0.3),
    sample("_foreach_lerp.List", A, B, B), sample("_foreach_addcdiv.Scalar", A, B, B, 0.5),
    sample("_foreach_addcmul.ScalarList", A, B, B, [0.5, 2.0]), sample("_foreach_copy", A, B), sample("_foreach_norm.Scalar", A, 2),
)  # fmt: skip

SAMPLES = (*NORMS, *POOLS, *LOSSES, *LISTS)
